/** Unfinished messages, one a room, kept for this person on this browser. */
const MAX_LENGTH = 40_000

export function readDraft(owner: number, room: string): string {
  try {
    return localStorage.getItem(name(owner, room)) ?? ''
  } catch {
    return ''
  }
}

export function keepDraft(owner: number, room: string, text: string): void {
  try {
    if (text.trim()) localStorage.setItem(name(owner, room), text.slice(0, MAX_LENGTH))
    else localStorage.removeItem(name(owner, room))
  } catch {
    // Storage is full or forbidden: the draft lasts as long as the page.
  }
}

function name(owner: number, room: string): string {
  return `hubbub.draft.${owner}.${room}`
}
