/** What a room's log lists as a plain sorted list, and how events change it. Every change is idempotent. */
import type { FeatureEvent, Listed, LogEvent, MessageEvent, Reactions } from '../protocol'

/** Messages, and the things of features among them. */
export type Messages = readonly Listed[]

/** The list after the events; the same list where nothing changed. Targets that are not loaded are skipped. */
export function applyEvents(messages: Messages, events: readonly LogEvent[]): Messages {
  let changed: Listed[] | null = null
  const current = () => (changed ??= [...messages])
  for (const event of events) {
    if (isListed(event)) {
      const list = current()
      const at = position(list, event.seq)
      list.splice(at, list[at]?.seq === event.seq ? 1 : 0, event)
    } else {
      const at = position(changed ?? messages, event.target!)
      const target = (changed ?? messages)[at]
      if (target?.seq === event.target) current()[at] = amended(target, event)
    }
  }
  return changed ?? messages
}

/** An event that amends no other has a row, whether or not its kind is known. */
export function isListed(event: LogEvent): event is Listed {
  return event.type === 'message' || !('target' in event) || event.target === undefined
}

/** Older messages in front; what is held already stays as it is, for it has seen later events. */
export function prepend(messages: Messages, older: Messages): Messages {
  const first = messages[0]?.seq ?? Infinity
  return [...older.filter(({ seq }) => seq < first), ...messages]
}

/** Index of the first message at or above `seq`. */
export function position(messages: Messages, seq: number): number {
  let low = 0
  let high = messages.length
  while (low < high) {
    const middle = (low + high) >> 1
    if (messages[middle]!.seq < seq) low = middle + 1
    else high = middle
  }
  return low
}

/** The target as the event leaves it. */
export function amended(target: Listed, event: LogEvent): Listed {
  switch (event.type) {
    case 'message.edited':
      return isMessage(target) && !target.deleted ? { ...target, text: event.text, edited: true } : target
    case 'message.deleted':
      return isMessage(target) ? { ...target, text: '', deleted: true, reactions: {} } : target
    case 'reaction':
      return isMessage(target) ? { ...target, reactions: reacted(target.reactions, event.emoji, event.from.id, event.on) } : target
    default:
      return withState(target, event as FeatureEvent)
  }
}

/** Seq of the event that gave a target its present state. Kept beside the fields, which are the server's. */
const AMENDED_BY = Symbol('amended by')

/** The target with the state that the event carries, unless a newer event came before; nothing of the old state stays. */
function withState(target: Listed & { [AMENDED_BY]?: number }, { seq: by, state }: FeatureEvent): Listed {
  if (typeof state !== 'object' || state === null || by <= (target[AMENDED_BY] ?? 0)) return target
  const { type, room, seq, from, at, key } = target
  return { ...state, type, room, seq, from, at, ...(key !== undefined && { key }), [AMENDED_BY]: by } as Listed
}

function isMessage(event: Listed): event is MessageEvent {
  return event.type === 'message'
}

function reacted(reactions: Reactions, emoji: string, person: number, on: boolean): Reactions {
  const others = (reactions[emoji] ?? []).filter((id) => id !== person)
  const people = on ? [...others, person] : others
  const { [emoji]: _, ...rest } = reactions
  return people.length ? { ...rest, [emoji]: people } : rest
}
