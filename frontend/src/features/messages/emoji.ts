/** Emoji by name, and the ones this person uses. */
import { ref } from 'vue'
import { language, type Language } from '../../i18n'

export interface Emoji {
  emoji: string
  /** as in the data: 0 smileys, 1 people, 3 animals, … 9 flags */
  group: number
  label: string
  tags: string
}

type Entry = [emoji: string, group: number, label: string, tags: string]

const DATA: Record<Language, () => Promise<{ default: unknown }>> = {
  en: () => import('emojibase-data/en/compact.json'),
  zh: () => import('emojibase-data/zh/compact.json'),
}
const loaded = new Map<Language, Emoji[]>()

/** All emoji with their names in the language of the page, in the order of Unicode. Rejects where they cannot be loaded. */
export async function loadEmoji(): Promise<Emoji[]> {
  const of = language.value
  const known = loaded.get(of)
  if (known) return known
  // The build leaves these fields of the data.
  const entries = (await DATA[of]()).default as Entry[]
  const emoji = entries.map(([one, group, label, tags]) => ({ emoji: one, group, label, tags }))
  loaded.set(of, emoji)
  return emoji
}

/** Those with every word of the query in their name or tags. The nearest names come first: whole, beginning with it, then tags. */
export function searchEmoji(all: readonly Emoji[], query: string): Emoji[] {
  const wanted = query.trim().toLowerCase()
  const words = wanted.split(/\s+/)
  const found = all.flatMap((one) => {
    const label = one.label.toLowerCase()
    const text = `${label} ${one.tags.toLowerCase()}`
    if (one.emoji !== wanted && !words.every((word) => text.includes(word))) return []
    const begins = words.every((word) => ` ${text}`.includes(` ${word}`))
    return [{ one, rank: label === wanted ? 0 : label.startsWith(wanted) ? 1 : label.includes(wanted) ? 2 : begins ? 3 : 4 }]
  })
  return found.sort((a, b) => a.rank - b.rank).map(({ one }) => one)
}

const STORE = 'hubbub.emoji'
const USUAL = ['👍', '❤️', '😂', '🎉', '👀', '🙏']
const KEPT = 18

let owner = 0

/** The latest first, then the usual ones. */
export const recentEmoji = ref(USUAL)

/** The emoji that this person has used in this browser. */
export function loadRecentEmoji(me: number): void {
  owner = me
  recentEmoji.value = stored()
}

export function noteEmoji(emoji: string): void {
  recentEmoji.value = [...new Set([emoji, ...recentEmoji.value])].slice(0, KEPT)
  try {
    localStorage.setItem(`${STORE}.${owner}`, JSON.stringify(recentEmoji.value))
  } catch {
    // Storage is full or forbidden: they last as long as the page.
  }
}

function stored(): string[] {
  try {
    localStorage.removeItem(STORE) // of earlier versions of the page: one for all people of a browser
    const known = JSON.parse(localStorage.getItem(`${STORE}.${owner}`) ?? '[]') as unknown
    const kept = Array.isArray(known) ? known.filter((one): one is string => typeof one === 'string') : []
    return [...new Set([...kept, ...USUAL])].slice(0, KEPT)
  } catch {
    return USUAL
  }
}
