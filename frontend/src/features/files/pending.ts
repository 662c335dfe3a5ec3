/** What the next message of each room brings along. Part of the entry chunk: the composer asks at every key. */
import { shallowReactive } from 'vue'
import type { MessageFile } from '../../protocol'

export interface Pending {
  readonly id: number
  readonly file: File
  /** `waiting`: for its turn, or for a connection; `failed`: for good, or until it is tried again */
  readonly state: 'waiting' | 'sending' | 'done' | 'failed'
  /** 0 to 1 */
  readonly progress: number
  /** why it failed */
  readonly reason: string
  readonly result: MessageFile | null
}

const KNOWN = 200

/** room → its files, in order; no entry for none */
export const pending = shallowReactive(new Map<string, readonly Pending[]>())
/** Files of messages that wait in the outbox, by id. */
const known = new Map<string, MessageFile>()

export function attachedIn(room: string): 'none' | 'ready' | 'partly' | 'busy' {
  const files = pending.get(room) ?? []
  if (files.some(({ state }) => state === 'waiting' || state === 'sending')) return 'busy'
  if (!files.some(({ state }) => state === 'done')) return 'none'
  return files.some(({ state }) => state === 'failed') ? 'partly' : 'ready'
}

/** The field of the message that is sent now, which takes what is uploaded. */
export function taken(room: string): { files?: string[] } {
  const files = pending.get(room) ?? []
  const done = files.flatMap(({ result }) => result ?? [])
  if (!done.length) return {}
  for (const file of done) known.set(file.id, file)
  for (const id of [...known.keys()].slice(0, -KNOWN)) known.delete(id)
  put(room, files.filter(({ result }) => !result))
  return { files: done.map(({ id }) => id) }
}

export function put(room: string, files: readonly Pending[]): void {
  if (files.length) pending.set(room, files)
  else pending.delete(room)
}

/** Files as in an event, or as named by an unsent frame; null for an unknown file. */
export function resolved(files: readonly (MessageFile | string)[]): (MessageFile | null)[] {
  return files.map((file) => (typeof file === 'string' ? (known.get(file) ?? null) : file))
}

export function namesOf(files: readonly MessageFile[]): string {
  return files.map(({ name }) => name).join(', ')
}
