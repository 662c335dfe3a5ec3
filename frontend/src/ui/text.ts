import { foldedSlug } from '../rooms/slugs'

/** Length as the server counts it: in code points. Cheap for text that cannot be near the limit. */
export function codePoints(text: string): number {
  let count = text.length
  for (let index = 0; index < text.length; index++) {
    const unit = text.charCodeAt(index)
    if (unit >= 0xd800 && unit <= 0xdbff && (text.charCodeAt(index + 1) & 0xfc00) === 0xdc00) {
      count--
      index++
    }
  }
  return count
}

/** What would be refused or never seen is taken off: outer blank lines, NUL, halves of surrogate pairs. */
export function cleaned(text: string): string {
  return text
    .replaceAll('\0', '')
    .replace(/\p{Surrogate}/gu, '\ufffd')
    .replace(/^(?:[^\S\n]*\n)+/, '')
    .trimEnd()
}

const INVISIBLE = /^[\s\p{Cc}\p{Default_Ignorable_Code_Point}\u2800]*$/u

/** Whether it has visible characters; the server refuses other texts as `empty`. */
export function isVisible(text: string): boolean {
  return !INVISIBLE.test(text)
}

// Embeddings, overrides and isolates turn the text around them; the others only make two titles look like one.
const MISLEADING = /[\u202a-\u202e\u2066-\u2069\u200b\u2060\ufeff]/gu
const SEEN = /[^\p{Z}\p{C}\p{M}\u115f\u1160\u2800\u3164\uffa0]/u

/** A person's title, on one line and without misleading characters; empty if nothing is visible. */
export function shownTitle(title: string): string {
  const plain = title.replace(/[\p{Cc}\p{Zl}\p{Zp}]+/gu, ' ').replace(MISLEADING, '').trim()
  return SEEN.test(plain) ? plain : ''
}

// Letters of scripts written to the left, and the characters that change the direction.
const TURNS = /[\u0590-\u08ff\u200e\u200f\u202a-\u202e\u2066-\u2069\ufb1d-\ufdff\ufe70-\ufefc\u{10800}-\u{10fff}\u{1e800}-\u{1efff}]/u

/** Somebody's text for a sentence of ours, where no `<bdi>` can stand: its direction ends with it. */
export function isolated(text: string): string {
  return TURNS.test(text) ? `\u2068${text.replace(/[\u2066-\u2069]/g, '')}\u2069` : text
}

/** At most `length` characters, with an ellipsis for the rest. */
export function shortened(text: string, length: number): string {
  const characters = [...text]
  return characters.length > length ? `${characters.slice(0, length - 1).join('').trimEnd()}…` : text
}

/** An address for a room with this title: letters of any script, digits, `_` and `-`. */
export function slugFor(title: string): string {
  return foldedSlug(title)
    .replace(/[^\p{L}\p{N}_-]+/gu, '-')
    .replace(/^-+|-+$/g, '')
    .slice(0, 64)
}
