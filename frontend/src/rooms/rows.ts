/** Turns the messages in view into the rows of the list. */
import type { Listed } from '../protocol'
import { position, type Messages } from '../stores/timeline'
import type { OutgoingFrame } from '../socket'
import { authorOf, isBot, isOwn } from '../ui/author'
import { sameDay } from '../ui/time'

export type Row =
  | { kind: 'day'; key: string; at: Date }
  | { kind: 'new'; key: string }
  | { kind: 'event'; key: string; event: Listed; at: Date; groupStart: boolean }
  | { kind: 'outgoing'; key: string; frame: OutgoingFrame; at: Date; groupStart: boolean; sent: boolean }

export interface RowSources {
  messages: Messages
  /** frames that are drawn while they wait; `awaitingEvent` are stored */
  awaitingEvent: readonly OutgoingFrame[]
  unsent: readonly OutgoingFrame[]
  me: number
  /** the message that the divider stands above; null: no divider */
  firstNew: number | null
}

/**
 * The first message of others, or of a program in the person's name, above the read mark; null where there is none, or where older unread messages may be
 * missing above the list.
 */
export function firstUnread(list: Messages, more: boolean, lastReadSeq: number | null, me: number): number | null {
  if (lastReadSeq === null || (more && (list[0]?.seq ?? Infinity) > lastReadSeq + 1)) return null
  for (let index = position(list, lastReadSeq + 1); index < list.length; index++) {
    if (!isOwn(list[index]!, me)) return list[index]!.seq
  }
  return null
}

/** Messages of one author within this time share one head. */
const GROUP_MS = 5 * 60_000

export function buildRows(sources: RowSources): Row[] {
  const rows: Row[] = []
  let previous: { at: Date; author: string } | null = null

  const start = (key: string, at: Date, author: string): boolean => {
    const newDay = !previous || !sameDay(previous.at, at)
    if (newDay) rows.push({ kind: 'day', key: `day-${key}`, at })
    const groupStart = newDay || previous!.author !== author || at.getTime() - previous!.at.getTime() > GROUP_MS
    previous = { at, author }
    return groupStart
  }

  for (const event of sources.messages) {
    const at = new Date(event.at)
    const dividing = event.seq === sources.firstNew
    const key = event.key ?? String(event.seq)
    const groupStart = start(key, at, isBot(event) ? `${event.from.id} ${authorOf(event).name}` : String(event.from.id))
    if (dividing) rows.push({ kind: 'new', key: 'new' })
    rows.push({ kind: 'event', key, event, at, groupStart: groupStart || dividing })
  }
  const shown = new Set(rows.map(({ key }) => key))
  const outgoing = [...sources.awaitingEvent.map((frame) => [frame, true] as const), ...sources.unsent.map((frame) => [frame, false] as const)]
  for (const [frame, sent] of outgoing) {
    if (shown.has(frame.key)) continue
    shown.add(frame.key)
    const at = new Date(frame.at)
    rows.push({ kind: 'outgoing', key: frame.key, frame: { ...frame }, at, groupStart: start(frame.key, at, String(sources.me)), sent })
  }
  return rows
}
