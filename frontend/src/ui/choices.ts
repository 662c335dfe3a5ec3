import { isVisible } from './text'

/** Choices as the server gets them: without the empty ones. */
export function filledIn(choices: string[]): string[] {
  return choices.map((choice) => choice.trim()).filter(isVisible)
}

/** Whether two choices read the same. */
export function hasDoubles(choices: string[]): boolean {
  return new Set(choices.map((choice) => choice.toLowerCase())).size < choices.length
}
