/** Keeps the fifth of the emoji data that the picker needs. */
import type { Plugin } from 'vite'

interface Entry {
  unicode: string
  label: string
  tags?: string[]
  group?: number
}

/** Skin tones and hair on their own. */
const COMPONENTS = 2

export function emojiData(): Plugin {
  return {
    name: 'emoji-data',
    enforce: 'pre',
    transform: {
      filter: { id: /emojibase-data\/\w+\/compact\.json$/ },
      handler(source) {
        const entries = (JSON.parse(source) as Entry[]).filter(({ group }) => group !== undefined && group !== COMPONENTS)
        return { code: JSON.stringify(entries.map(({ unicode, label, tags = [], group }) => [unicode, group, label, tags.join(' ')])), map: null }
      },
    },
  }
}
