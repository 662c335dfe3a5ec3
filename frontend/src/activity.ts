import type { ChatSocket } from './socket'

/** Without input for that long a person is away from this device. */
export const AWAY_AFTER = 600_000
const CHECK_EVERY = 15_000
const INPUTS = ['pointerdown', 'pointermove', 'keydown', 'touchstart', 'wheel', 'visibilitychange'] as const

let away = false

/** Whether the person is away from this device. */
export function isAway(): boolean {
  return away
}

/** Tells the server when the person goes away from this device and when they are back: on change only. Returns its end. */
export function watchActivity(socket: Pick<ChatSocket, 'on' | 'request'>, page: Document = document): () => void {
  let last = Date.now()
  away = false

  function tell(): void {
    // Without a connection the next `hello` tells it.
    socket.request({ type: 'activity', state: away ? 'away' : 'active' }).catch(() => undefined)
  }

  function set(next: boolean): void {
    if (next === away) return
    away = next
    tell()
  }

  function input(event: Event): void {
    if (event.type === 'visibilitychange' && page.hidden) return
    last = Date.now()
    set(false)
  }

  for (const name of INPUTS) page.addEventListener(name, input, { passive: true })
  const timer = setInterval(() => set(Date.now() - last >= AWAY_AFTER), CHECK_EVERY)
  // A new socket begins as active.
  const unlisten = socket.on('hello', () => {
    if (away) tell()
  })
  return () => {
    clearInterval(timer)
    for (const name of INPUTS) page.removeEventListener(name, input)
    unlisten()
  }
}
