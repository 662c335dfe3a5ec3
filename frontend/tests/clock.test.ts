// @vitest-environment happy-dom
import { createApp, h } from 'vue'
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest'
import { api } from '../src/api'
import type { Game } from '../src/features/chess/game'
import { useClock } from '../src/features/chess/useClock'
import { ageOf, useNow } from '../src/features/location/age'
import type { LogEvent } from '../src/protocol'
import type { ChatSocket, ChatSocketEvents } from '../src/socket'
import { Emitter } from '../src/socket/emitter'
import { forgetServerTime, listenForTime, noteServerTime, serverNow } from '../src/stores/clock'
import { closesAt, isPast } from '../src/ui/closing'

const NOW = Date.parse('2026-01-01T12:00:00Z')
const iso = (seconds: number) => new Date(NOW + 1_000 * seconds).toISOString()

beforeEach(() => forgetServerTime())
afterEach(() => {
  vi.unstubAllGlobals()
  vi.useRealTimers()
})

/** The server's time is NOW, and this device's is off by some seconds. */
function deviceIsOff(seconds: number): void {
  vi.useFakeTimers({ now: NOW + 1_000 * seconds })
}

test('the fastest event sets the clock', () => {
  deviceIsOff(0)
  const socket = new Emitter<ChatSocketEvents>()
  listenForTime(socket as unknown as ChatSocket)
  const arrives = (seconds: number) => socket.emit('events', { room: 'r', events: [{ at: iso(seconds) } as LogEvent] })
  expect(serverNow()).toBe(NOW)
  arrives(0)
  arrives(-3_600)
  expect(serverNow()).toBe(NOW)
  arrives(5)
  expect(serverNow()).toBe(NOW + 5_000)
})

test('a change of the clock while the page lives has no effect', () => {
  deviceIsOff(0)
  noteServerTime(iso(0))
  vi.setSystemTime(NOW + 3_600_000)
  expect(serverNow()).toBe(NOW)
  vi.advanceTimersByTime(2_000)
  expect(serverNow()).toBe(NOW + 2_000)
})

describe.each([-600, 600])('on a device that is %i s off', (off) => {
  beforeEach(async () => {
    deviceIsOff(off)
    const answer = () => new Response('{"user": {"id": 1, "name": "ada"}}', { headers: { Date: new Date(NOW).toUTCString() } })
    vi.stubGlobal('fetch', () => Promise.resolve(answer()))
    await api.me()
  })

  test('the first answer of the server tells its time', () => expect(serverNow()).toBe(NOW))

  test('the clocks of a game run from the move', () => {
    const game = { turn: 'white', clocks: { white: 300, black: 200, at: iso(-5) } } as unknown as Game
    expect(inComponent(() => useClock(() => game)).value).toEqual({ white: 295, black: 200 })
  })

  test('a place is as old as it is', () => {
    const now = inComponent(() => useNow())
    expect(ageOf(iso(-12), now.value)).toBe('12 s ago')
  })

  test('what closes in five minutes closes in five minutes', () => {
    expect(closesAt({ time: 'minutes', at: '' })).toBe(iso(300))
    expect([iso(-1), iso(1)].map((at) => isPast({ time: 'at', at }))).toEqual([true, false])
  })
})

function inComponent<T>(use: () => T): T {
  let used: T
  createApp({ setup: () => ((used = use()), () => h('i')) }).mount(document.createElement('div'))
  return used!
}
