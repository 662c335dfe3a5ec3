/** Turns the messages in view into the rows of the list. */
import type { MessageEvent } from '../protocol'
import { position, type Messages } from '../stores/timeline'
import type { OutgoingMessage } from '../socket'
import { sameDay } from '../ui/time'

export type Row =
  | { kind: 'day'; key: string; at: Date }
  | { kind: 'new'; key: string }
  | { kind: 'message'; key: string; message: MessageEvent; at: Date; lead: boolean }
  | { kind: 'outgoing'; key: string; message: OutgoingMessage; at: Date; lead: boolean; sent: boolean }

export interface RowSources {
  messages: Messages
  settling: readonly OutgoingMessage[]
  unsent: readonly OutgoingMessage[]
  me: number
  /** the message that the divider stands above; null: no divider */
  firstNew: number | null
}

/**
 * The first message of others above the read mark; null where there is none, or where older unread messages may be
 * missing above the list.
 */
export function firstUnread(list: Messages, more: boolean, readUpto: number | null, me: number): number | null {
  if (readUpto === null || (more && (list[0]?.seq ?? Infinity) > readUpto + 1)) return null
  for (let index = position(list, readUpto + 1); index < list.length; index++) {
    if (list[index]!.from.id !== me) return list[index]!.seq
  }
  return null
}

/** Messages of one author within this time share one head. */
const GROUP_MS = 5 * 60_000

export function buildRows(sources: RowSources): Row[] {
  const rows: Row[] = []
  let previous: { at: Date; author: number } | null = null

  const start = (key: string, at: Date, author: number): boolean => {
    const newDay = !previous || !sameDay(previous.at, at)
    if (newDay) rows.push({ kind: 'day', key: `day-${key}`, at })
    const lead = newDay || previous!.author !== author || at.getTime() - previous!.at.getTime() > GROUP_MS
    previous = { at, author }
    return lead
  }

  for (const message of sources.messages) {
    const at = new Date(message.at)
    const dividing = message.seq === sources.firstNew
    const key = message.key ?? String(message.seq)
    const lead = start(key, at, message.from.id)
    if (dividing) rows.push({ kind: 'new', key: 'new' })
    rows.push({ kind: 'message', key, message, at, lead: lead || dividing })
  }
  const shown = new Set(rows.map(({ key }) => key))
  const outgoing = [...sources.settling.map((message) => [message, true] as const), ...sources.unsent.map((message) => [message, false] as const)]
  for (const [message, sent] of outgoing) {
    if (shown.has(message.key)) continue
    shown.add(message.key)
    const at = new Date(message.at)
    rows.push({ kind: 'outgoing', key: message.key, message: { ...message }, at, lead: start(message.key, at, sources.me), sent })
  }
  return rows
}
