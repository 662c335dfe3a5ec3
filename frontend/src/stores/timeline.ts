/** The messages of one room as a plain sorted list, and how events change it. Every change is idempotent. */
import type { LogEvent, MessageEvent, Reactions } from '../protocol'

export type Messages = readonly MessageEvent[]

/** The list after the events; the same list where nothing changed. Targets that are not loaded are skipped. */
export function applyEvents(messages: Messages, events: readonly LogEvent[]): Messages {
  let changed: MessageEvent[] | null = null
  const current = () => (changed ??= [...messages])
  for (const event of events) {
    if (event.type === 'message') {
      const list = current()
      const at = position(list, event.seq)
      list.splice(at, list[at]?.seq === event.seq ? 1 : 0, event)
    } else if ('target' in event) {
      const at = position(changed ?? messages, event.target)
      const target = (changed ?? messages)[at]
      if (target?.seq === event.target) current()[at] = amended(target, event)
    }
  }
  return changed ?? messages
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

function amended(message: MessageEvent, event: Exclude<LogEvent, MessageEvent>): MessageEvent {
  switch (event.type) {
    case 'message.edited':
      return message.deleted ? message : { ...message, text: event.text, edited: true }
    case 'message.deleted':
      return { ...message, text: '', deleted: true, reactions: {} }
    case 'reaction':
      return { ...message, reactions: reacted(message.reactions, event.emoji, event.from.id, event.on) }
    default:
      return message
  }
}

function reacted(reactions: Reactions, emoji: string, person: number, on: boolean): Reactions {
  const others = (reactions[emoji] ?? []).filter((id) => id !== person)
  const people = on ? [...others, person] : others
  const { [emoji]: _, ...rest } = reactions
  return people.length ? { ...rest, [emoji]: people } : rest
}
