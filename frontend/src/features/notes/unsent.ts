/** The names of notes with edits that the server may lack. Small: it is asked at each start of the page. */
const KEY = 'hubbub.notes.unsent'

export function unsentNotes(): string[] {
  try {
    const known = JSON.parse(localStorage.getItem(KEY) ?? '[]') as unknown
    return Array.isArray(known) ? known.filter((name): name is string => typeof name === 'string') : []
  } catch {
    return []
  }
}

export function writeUnsent(name: string, unsent: boolean): void {
  const before = unsentNotes()
  if (before.includes(name) === unsent) return
  const now = unsent ? [...before, name] : before.filter((one) => one !== name)
  try {
    if (now.length) localStorage.setItem(KEY, JSON.stringify(now))
    else localStorage.removeItem(KEY)
  } catch {
    // a full or forbidden store: the edits are sent when the note is opened again
  }
}
