/** The server's clock: this device's own may be minutes off. */
import { onBeforeUnmount, readonly, ref, type Ref } from 'vue'
import type { LogEvent } from '../protocol'
import type { ChatSocket } from '../socket'

/** Lower bound of the server's time less `performance.now()`, in ms: answers arrive late, never early. Nobody sets that clock. */
let origin = -Infinity

/** Milliseconds since 1970 by the server's clock; by this device's until the server has said a time. */
export function serverNow(): number {
  return origin === -Infinity ? Date.now() : performance.now() + origin
}

/** Learns from a time that the server has just sent. The latest one counts, so that an old one does no harm. */
export function noteServerTime(at: string | null | undefined): void {
  const found = Date.parse(at ?? '') - performance.now()
  if (found > origin) origin = found
}

export function forgetServerTime(): void {
  origin = -Infinity
}

export function listenForTime(socket: ChatSocket): void {
  const note = ({ events }: { events: readonly LogEvent[] }) => noteServerTime(events.at(-1)?.at)
  socket.on('snapshot', note)
  socket.on('events', note)
  socket.on('sent', ({ sent }) => noteServerTime(sent.at))
}

/** The server's time, every `step` milliseconds while the component is there. */
export function useServerNow(step: number): Readonly<Ref<number>> {
  const now = ref(serverNow())
  const timer = setInterval(() => (now.value = serverNow()), step)
  onBeforeUnmount(() => clearInterval(timer))
  return readonly(now)
}
