/** The editor of a note: CodeMirror on a Y.Text, with Markdown's colours. */
import { defaultKeymap } from '@codemirror/commands'
import { defineLanguageFacet, HighlightStyle, Language, syntaxHighlighting } from '@codemirror/language'
import { EditorState, type Extension } from '@codemirror/state'
import { drawSelection, EditorView, keymap, placeholder } from '@codemirror/view'
import { tags } from '@lezer/highlight'
import { GFM, parser } from '@lezer/markdown'
import { yCollab, yUndoManagerKeymap } from 'y-codemirror.next'
import type * as Y from 'yjs'
import { cursorsOf } from './cursors'

/** bytes of UTF-8; a note has room for 600,000 with its history */
export const MAX_INSERT = 500_000

const utf8 = new TextEncoder()
const markdown = new Language(defineLanguageFacet(), parser.configure(GFM), [], 'markdown')
const colours = HighlightStyle.define([
  { tag: tags.heading1, fontSize: '1.5em', fontWeight: '700' },
  { tag: tags.heading2, fontSize: '1.25em', fontWeight: '700' },
  { tag: tags.heading, fontWeight: '700' },
  { tag: tags.strong, fontWeight: '700' },
  { tag: tags.emphasis, fontStyle: 'italic' },
  { tag: tags.strikethrough, textDecoration: 'line-through' },
  { tag: tags.link, color: 'var(--accent-text)' },
  { tag: tags.url, color: 'var(--accent-text)' },
  { tag: tags.monospace, fontFamily: 'ui-monospace, monospace', fontSize: '0.9em' },
  { tag: tags.quote, color: 'var(--text-muted)' },
  { tag: tags.processingInstruction, color: 'var(--text-muted)' },
])

// White on each of them has a contrast of 4.8:1 at least.
const PEOPLE = ['#0d816b', '#b65118', '#7a52c7', '#b0327a', '#2f6fd0', '#81720e', '#b3382c', '#398127']
const theme = EditorView.theme({
  '&': { height: '100%', color: 'var(--text)', fontSize: '0.9375rem' },
  '&.cm-focused': { outline: 'none' },
  '.cm-scroller': { fontFamily: 'var(--font)', lineHeight: '1.6', overflow: 'auto' },
  '.cm-content': { padding: '16px 24px 40vh', caretColor: 'var(--accent)' },
  '.cm-cursor': { borderLeftColor: 'var(--accent)', borderLeftWidth: '2px' },
  '.cm-placeholder': { color: 'var(--text-muted)' },
  '&.cm-focused > .cm-scroller > .cm-selectionLayer .cm-selectionBackground, .cm-selectionBackground': { background: 'var(--accent-soft)' },
  '.cm-caret': { position: 'relative', display: 'inline', borderLeft: '2px solid var(--person)', marginLeft: '-1px', marginRight: '-1px' },
  '.cm-caret-name': {
    position: 'absolute', bottom: '100%', left: '-2px', zIndex: '2', maxWidth: '16ch', overflow: 'hidden', padding: '1px 5px',
    borderRadius: '5px 5px 5px 0', background: 'var(--person)', color: '#fff', fontSize: '0.6875rem', fontWeight: '600', lineHeight: '1.3',
    textOverflow: 'ellipsis', whiteSpace: 'nowrap', pointerEvents: 'none',
    // It lies on the line above, which wants to be read.
    animation: 'cm-caret-name 300ms 3s forwards',
  },
  '.cm-caret:hover .cm-caret-name': { animation: 'none' },
  '@keyframes cm-caret-name': { to: { opacity: '0' } },
  '.cm-line:first-child .cm-caret-name': { bottom: 'auto', top: '100%', borderRadius: '0 5px 5px 5px' },
  '.cm-theirs': { background: 'color-mix(in srgb, var(--person) 24%, transparent)' },
  ...Object.fromEntries(PEOPLE.map((colour, index) => [`.cm-person-${index}`, { '--person': colour }])),
})

interface Options {
  text: Y.Text
  /** Where the editor is; in a shadow root its styles need no exception from the content security policy. */
  root: ShadowRoot
  label: string
  hint: string
  readOnly: boolean
  onCursor: (anchor: string | null, head: string | null) => void
  onTooLong: () => void
}

export function createEditor({ text, root, label, hint, readOnly, onCursor, onTooLong }: Options): EditorView {
  const tooLong = EditorState.transactionFilter.of((transaction) => {
    let inserted = 0
    if (transaction.isUserEvent('input')) transaction.changes.iterChanges((_from, _to, _fromB, _toB, part) => (inserted += utf8.encode(part.toString()).length))
    if (inserted <= MAX_INSERT) return transaction
    onTooLong()
    return []
  })
  const extensions: Extension[] = [
    keymap.of([...yUndoManagerKeymap, ...defaultKeymap]),
    drawSelection(),
    EditorView.lineWrapping,
    EditorView.contentAttributes.of({ 'aria-label': label, spellcheck: 'true', autocapitalize: 'sentences' }),
    placeholder(hint),
    markdown,
    syntaxHighlighting(colours),
    theme,
    tooLong,
    EditorState.readOnly.of(readOnly),
    yCollab(text, null),
    cursorsOf(text, onCursor),
  ]
  return new EditorView({ state: EditorState.create({ doc: text.toString(), extensions }), parent: root, root })
}
