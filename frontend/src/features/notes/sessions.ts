import { useConnection } from '../../stores/connection'
import { useSession } from '../../stores/session'
import { keep, keptOf } from './kept'
import { NoteSession } from './session'

/** Notes that are shown, and those with edits that are not stored yet. */
const open = new Map<string, NoteSession>()
const shown = new Set<NoteSession>()

export function showNote(room: string, note: number): NoteSession {
  const key = `${room}/${note}`
  let session = open.get(key)
  if (!session) {
    session = new NoteSession(useConnection().chat(), room, note, (doc) => keep(doc, { me: useSession().me!.id, room, note }))
    open.set(key, session)
    void session.open()
  }
  shown.add(session)
  return session
}

/** The session ends at once, or when its edits are stored. */
export function hideNote(session: NoteSession): void {
  shown.delete(session)
  const endIfDone = () => {
    const { state } = session
    if (shown.has(session) || !(session.isSaved || state === 'gone' || state === 'full' || (state === 'refused' && session.isKept))) return
    open.delete(`${session.room}/${session.note}`)
    session.onState = () => undefined
    session.end()
  }
  session.onState = endIfDone
  endIfDone()
}

/** Brings the edits that an earlier page could not send; open notes bring their own. */
export function resumeNotes(me: number): void {
  for (const { room, note } of keptOf(me)) if (!open.has(`${room}/${note}`)) hideNote(showNote(room, note))
}

addEventListener('beforeunload', (event) => {
  if ([...open.values()].some((session) => !session.isSaved && !session.isKept && session.state !== 'gone')) event.preventDefault()
})
