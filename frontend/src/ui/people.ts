const HUES = 8
const HAN = /^\p{Script=Han}{2,4}$/u

/** One or two letters for an avatar; of a Chinese name the end, for the family's name comes first. */
export function initials(name: string): string {
  if (HAN.test(name)) return [...name].slice(-2).join('')
  const words = name.split(/[\s._-]+/u).filter(Boolean)
  const letters = words.length > 1 ? [words[0]!, words.at(-1)!].map(first) : [...(words[0] ?? '?')].slice(0, 2)
  return letters.join('').toLocaleUpperCase()
}

/** The same person always has the same colour; neighbours by id have different ones. */
export function hue(id: number): number {
  return Math.abs(id * 5) % HUES
}

function first(word: string): string {
  return [...word][0] ?? ''
}
