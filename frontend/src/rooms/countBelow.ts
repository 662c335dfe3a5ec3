import { position, type Messages } from '../stores/timeline'
import type { Segments } from '../stores/segments'

/** Messages of others above `seen`; where a part is not loaded, every seq of it counts. */
export function countBelow({ messages, past }: Segments, seen: number, me: number): number {
  const missing = past ? Math.max(0, (messages[0]?.seq ?? 1) - 1 - Math.max(past.at(-1)?.seq ?? 0, seen)) : 0
  return ofOthers(past ?? [], seen, me) + missing + ofOthers(messages, seen, me)
}

function ofOthers(messages: Messages, seen: number, me: number): number {
  return messages.slice(position(messages, seen + 1)).filter(({ from }) => from.id !== me).length
}
