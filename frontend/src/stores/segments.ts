/**
 * The loaded parts of one room: its latest messages and, while the person reads far above them, a second part around that place.
 *
 * Both parts are sorted and without holes, and neither grows beyond MAX_MESSAGES.
 */
import type { LogEvent, Person } from '../protocol'
import { renamedIn } from './names'
import { applyEvents, isListed, position, prepend, type Messages } from './timeline'

export interface Segments {
  /** up to the latest message */
  messages: Messages
  /** the part that is read, where it does not reach down to `messages` */
  past: Messages | null
  /** the server has messages older than the first one shown */
  more: boolean
}

export const MAX_MESSAGES = 12_000
/** messages at the end that stay when the part that is read is split off */
const TAIL = 200

/** The part on screen. */
export function shown({ past, messages }: Segments): Messages {
  return past ?? messages
}

/** `reading`: seq in view above the end of the list; null at the end. */
export function withEvents(segments: Segments, events: readonly LogEvent[], reading: number | null): Segments {
  const messages = applyEvents(segments.messages, events)
  const past = segments.past && applyEvents(segments.past, events.filter((event) => !isListed(event)))
  return bounded({ ...segments, messages, past }, reading)
}

export function withOlder(segments: Segments, older: Messages, more: boolean): Segments {
  const list = prepend(shown(segments), older)
  if (segments.past) return { ...segments, past: list.slice(0, MAX_MESSAGES), more }
  if (list.length <= MAX_MESSAGES) return { ...segments, messages: list, more }
  return { past: list.slice(0, MAX_MESSAGES - TAIL), messages: list.slice(-TAIL), more }
}

/** `complete`: the page ends where `messages` begins, or the log does. */
export function withNewer(segments: Segments, newer: Messages, complete: boolean): Segments {
  if (!segments.past) return segments
  const last = segments.past.at(-1)?.seq ?? 0
  const past = [...segments.past, ...newer.filter(({ seq }) => seq > last)]
  const meets = complete || past.at(-1)!.seq >= (segments.messages[0]?.seq ?? Infinity)
  if (!meets) return { ...segments, past: past.slice(-MAX_MESSAGES), more: segments.more || past.length > MAX_MESSAGES }
  const joined = joinedLists(past, segments.messages)
  return { past: null, messages: joined.slice(-MAX_MESSAGES), more: segments.more || joined.length > MAX_MESSAGES }
}

/** A page around some seq becomes the part on screen, on its own or as the beginning of what is loaded. */
export function withPlace(segments: Segments, page: Messages, more: boolean, complete: boolean): Segments {
  if (!page.length) return segments
  return withNewer({ ...segments, past: page, more }, [], complete)
}

/** A person has another name. */
export function withName(segments: Segments, person: Person): Segments {
  const renamed = (list: Messages) => list.map((message) => renamedIn(message, person))
  return { ...segments, messages: renamed(segments.messages), past: segments.past && renamed(segments.past) }
}

/** Without the events of these kinds. */
export function withoutKinds(segments: Segments, kinds: ReadonlySet<string>): Segments {
  const others = (list: Messages) => list.filter(({ type }) => !kinds.has(type))
  return { ...segments, messages: others(segments.messages), past: segments.past && others(segments.past) }
}

/** Back to the latest messages. */
export function withoutPast(segments: Segments): Segments {
  return segments.past ? { messages: segments.messages, past: null, more: true } : segments
}

/** Drops the messages furthest from the end, and from the place that is read. */
function bounded(segments: Segments, reading: number | null): Segments {
  const { messages, past, more } = segments
  if (messages.length <= MAX_MESSAGES) return segments
  if (past) return { ...segments, messages: messages.slice(-MAX_MESSAGES / 2) }
  if (reading === null) return { past, messages: messages.slice(-MAX_MESSAGES / 2), more: true }
  const from = Math.max(0, position(messages, reading) - MAX_MESSAGES / 4)
  const to = from + MAX_MESSAGES / 2
  const older = more || from > 0
  if (to >= messages.length - TAIL) return { past, messages: messages.slice(from), more: older }
  return { past: messages.slice(from, to), messages: messages.slice(-TAIL), more: older }
}

/** What both lists hold is taken from the later one: it has seen every event. */
function joinedLists(past: Messages, messages: Messages): Messages {
  const first = messages[0]?.seq ?? Infinity
  return [...past.slice(0, position(past, first)), ...messages]
}
