/**
 * Compiles the catalogues of words (`locales/*.json`, in the format of vue-i18n) when the page is built: the page needs no parser.
 *
 * `{"blocks": {"title": "Block {name}?"}}` becomes `{"blocks.title": …}`, a feature's key begins with the feature's name,
 * and a word becomes the compiler's tree, or itself where nothing is filled in.
 */
import { baseCompile } from '@intlify/message-compiler'
import type { Plugin } from 'vite'

export type Words = { [name: string]: string | Words }

export function catalogues(): Plugin {
  return {
    name: 'catalogues',
    enforce: 'pre',
    config: () => ({ define: { __INTLIFY_DROP_MESSAGE_COMPILER__: true, __INTLIFY_PROD_DEVTOOLS__: false } }),
    transform: {
      filter: { id: /\/locales\/[\w-]+\.json$/ },
      handler: (source, path) => ({ code: JSON.stringify(compiled(source, path)), map: null }),
    },
  }
}

function compiled(source: string, path: string): Record<string, unknown> {
  const words = flat(JSON.parse(source) as Words, /\/features\/([^/]+)\/locales\//.exec(path)?.[1] ?? '')
  return Object.fromEntries(words.map(([key, word]) => [key, tree(word, `${path}: ${key}`)]))
}

export function flat(words: Words, group = ''): [key: string, word: string][] {
  return Object.entries(words).flatMap(([name, word]): [string, string][] => {
    const key = group ? `${group}.${name}` : name
    return typeof word === 'string' ? [[key, word]] : flat(word, key)
  })
}

function tree(word: string, place: string): unknown {
  const { ast } = baseCompile(word, {
    jit: true,
    minify: true,
    location: false,
    onError: ({ message }) => {
      throw new Error(`${place}: ${message}`)
    },
  })
  const { b: body } = ast as unknown as { b: { s?: string } }
  return body.s ?? ast
}
