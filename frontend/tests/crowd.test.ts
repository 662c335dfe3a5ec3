/** Many people behind one address whose server restarts: how they share the handshakes that the address is allowed. */
import { afterEach, beforeEach, expect, test, vi } from 'vitest'
import { Connection } from '../src/socket/connection'
import { browserClock } from '../src/socket/environment'
import { range, TestNetwork } from './support/client'
import { HandSocket } from './support/wire'

const ALLOWED_PER_S = 50

beforeEach(() => void vi.useFakeTimers())
afterEach(() => void vi.useRealTimers())

/** The same numbers in each run, evenly spread over [0, 1). */
function chanceFrom(seed: number): () => number {
  let state = seed
  return () => {
    state = (state * 1_664_525 + 1_013_904_223) % 2 ** 32
    return state / 2 ** 32
  }
}

/**
 * Seconds until each of `people` is connected again after all were closed with 1012, and the handshakes that took.
 * What is above the limit is refused with `refusal`, as nginx (1006: HTTP 429 instead of a socket) and the app (4009) do.
 */
function comeBack(people: number, refusal: number, saved: number): { slowest: number; handshakes: number } {
  const random = chanceFrom(people)
  let tokens = 0
  let counted = 0
  let limited = false
  let handshakes = 0
  const take = () => {
    if (!limited) return true
    const now = Date.now()
    tokens = Math.min(saved, tokens + ((now - counted) / 1_000) * ALLOWED_PER_S)
    counted = now
    return tokens >= 1 && tokens-- > 0
  }
  const backAt = new Map<number, number>()
  const sockets = new Map<number, HandSocket>()
  const crowd = range(1, people).map((person) =>
    new Connection({
      url: 'ws://chat.test/ws/',
      open: () => {
        const socket = new HandSocket()
        sockets.set(person, socket)
        handshakes++
        const welcome = take()
        setTimeout(() => (welcome ? socket.greet() : socket.serverCloses(refusal)), 20)
        return socket
      },
      clock: browserClock,
      network: new TestNetwork(),
      random,
      onState: ({ name }) => void (name === 'open' && backAt.set(person, Date.now())),
      onFrame: () => undefined,
    }),
  )
  for (const connection of crowd) connection.start()
  vi.advanceTimersByTime(15_000)
  expect(backAt.size).toBe(people)

  backAt.clear()
  limited = true
  tokens = saved
  counted = Date.now()
  handshakes = 0
  const closedAt = Date.now()
  for (const socket of sockets.values()) socket.serverCloses(1012)
  while (backAt.size < people) {
    vi.advanceTimersByTime(100)
    expect(Date.now() - closedAt).toBeLessThan(300_000)
  }
  for (const connection of crowd) connection.stop()
  return { slowest: (Math.max(...backAt.values()) - closedAt) / 1_000, handshakes }
}

// `saved`: what the address may have at once. nginx allows two seconds' worth, the app four.
test.each([
  ['nginx', 1006, 2 * ALLOWED_PER_S],
  ['the app', 4009, 4 * ALLOWED_PER_S],
] as const)('300 people behind one address are back within seconds where %s refuses what is too much', (_, refusal, saved) => {
  const { slowest, handshakes } = comeBack(300, refusal, saved)
  expect(handshakes).toBeGreaterThan(300) // the limit was felt
  expect(slowest).toBeLessThan(20)
  expect(handshakes).toBeLessThan(900)
})
