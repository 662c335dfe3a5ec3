import { position, type Messages } from '../stores/timeline'
import type { Segments } from '../stores/segments'
import { isOwn } from '../ui/author'

/**
 * Messages of others, and of programs in the person's name, above `seen`: the reader has not come to them. If a part between is
 * not loaded, the count is the server's number of unread messages, less those seen above the read mark.
 */
export function countBelow({ messages, past }: Segments, seen: number, me: number, unread: { count: number; lastReadSeq: number }): number {
  if (!past) return messages.slice(position(messages, seen + 1)).filter((event) => !isOwn(event, me)).length
  return Math.max(0, unread.count - between(past, unread.lastReadSeq, seen))
}

function between(messages: Messages, above: number, last: number): number {
  return Math.max(0, position(messages, last + 1) - position(messages, above + 1))
}

/** Whether the first message in view directly follows `seen`: a jump leaves unread ones out. */
export function followsOn(list: Messages, more: boolean, seen: number, first: number): boolean {
  if (more && (list[0]?.seq ?? Infinity) > seen + 1) return false
  return position(list, seen + 1) >= position(list, first)
}
