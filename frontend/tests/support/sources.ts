/** The strings that the page's sources write, as the compilers of Vue and TypeScript see them. */
import ts from 'typescript'
import { parse } from 'vue/compiler-sfc'

export interface Written {
  text: string
  /** `content` and `attribute` are shown as they are; a `key` is given to `t()`; a `literal` of code can be anything */
  place: 'content' | 'attribute' | 'key' | 'literal'
  /** of the attribute */
  name?: string
  /** the beginning of a template literal: `errors.${code}` */
  open: boolean
}

interface Node {
  type: number
  content?: string | Node
  children?: Node[]
  props?: { type: number; name: string; value?: { content: string }; exp?: { content: string }; arg?: { content: string } }[]
}

const ELEMENT = 1
const TEXT = 2
const INTERPOLATION = 5
const ATTRIBUTE = 6

export function written(path: string, source: string): Written[] {
  if (!path.endsWith('.vue')) return ofCode(source)
  const { descriptor } = parse(source)
  const scripts = [descriptor.script, descriptor.scriptSetup].flatMap((block) => (block ? ofCode(block.content) : []))
  return [...scripts, ...(descriptor.template?.ast?.children ?? []).flatMap((node) => ofNode(node as Node))]
}

function ofNode({ type, content, children = [], props = [] }: Node): Written[] {
  if (type === TEXT) return [{ text: (content as string).trim(), place: 'content', open: false }]
  if (type === INTERPOLATION) return ofCode(`(${(content as Node).content as string})`)
  const own = type === ELEMENT ? props.flatMap(ofProp) : []
  return [...own, ...children.flatMap(ofNode)]
}

function ofProp({ type, name, value, exp, arg }: NonNullable<Node['props']>[number]): Written[] {
  if (type === ATTRIBUTE) return value ? [{ text: value.content, place: 'attribute', open: false, name }] : []
  // The left side of a `v-for` and the parameters of a slot have no strings.
  const code = name === 'for' ? exp!.content.replace(/^.*?\s(?:in|of)\s/s, '') : name === 'slot' ? '' : (exp?.content ?? '')
  return arg?.content === 'class' ? [] : ofCode(name === 'on' ? code : `(${code || 0})`)
}

function ofCode(code: string): Written[] {
  const found: Written[] = []
  const visit = (node: ts.Node, place: 'key' | 'literal'): void => {
    if (ts.isImportDeclaration(node) || ts.isTypeNode(node) || isForDevelopers(node)) return
    if (ts.isStringLiteral(node) || ts.isNoSubstitutionTemplateLiteral(node)) found.push({ text: node.text, place, open: false })
    if (ts.isTemplateExpression(node)) {
      for (const { text } of [node.head, ...node.templateSpans.map(({ literal }) => literal)]) found.push({ text, place, open: true })
    }
    if (ts.isConditionalExpression(node)) {
      visit(node.condition, 'literal')
      return [node.whenTrue, node.whenFalse].forEach((branch) => visit(branch, place))
    }
    const isKey = (child: ts.Node) => ts.isCallExpression(node) && node.expression.getText() === 't' && child === node.arguments[0]
    ts.forEachChild(node, (child) => visit(child, isKey(child) || (place === 'key' && ts.isTemplateExpression(node)) ? 'key' : 'literal'))
  }
  visit(ts.createSourceFile('code.ts', code, ts.ScriptTarget.Latest, true), 'literal')
  return found
}

/** `new Error('…')` and its `super('…')`, `{ code, message: '…' }` of a failure, symbols, and the name of a key: `event.key === 'Enter'`. */
function isForDevelopers(node: ts.Node): boolean {
  if (ts.isNewExpression(node)) return ['Error', 'TypeError', 'RangeError', 'RequestFailed'].includes(node.expression.getText())
  if (ts.isCallExpression(node)) return node.expression.kind === ts.SyntaxKind.SuperKeyword || node.expression.getText() === 'Symbol'
  if (ts.isPropertyAssignment(node) && node.name.getText() === 'message') return true
  return ts.isBinaryExpression(node) && ts.isPropertyAccessExpression(node.left) && node.left.name.text === 'key'
}
