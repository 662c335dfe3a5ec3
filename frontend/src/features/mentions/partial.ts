export interface Partial {
  /** where the @ stands, in UTF-16 units */
  at: number
  name: string
}

const NAME = /(^|[^\p{L}\p{N}_@.+-])@([\p{L}\p{N}_.+-]{0,64})$/u

/** The name that is being typed before the caret; null for none. */
export function partialName(text: string, caret: number): Partial | null {
  const found = NAME.exec(text.slice(0, caret))
  return found ? { at: found.index + found[1]!.length, name: found[2]! } : null
}

/** The text with the name in place of its typed part, and the new position of the caret. */
export function completed(text: string, caret: number, partial: Partial, name: string): { text: string; caret: number } {
  const head = `${text.slice(0, partial.at)}@${name} `
  return { text: head + text.slice(caret).replace(/^ /, ''), caret: head.length }
}
