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

interface Crowd {
  connections: Connection[]
  sockets: Map<number, HandSocket>
  /** when each was last connected */
  backAt: Map<number, number>
  handshakes: number
}

/** `answer` decides about each handshake: null lets it in, a code closes it. */
function crowdOf(people: number, answer: () => number | null): Crowd {
  const random = chanceFrom(people)
  const crowd: Crowd = { connections: [], sockets: new Map(), backAt: new Map(), handshakes: 0 }
  crowd.connections = range(1, people).map(
    (person) =>
      new Connection({
        url: 'ws://chat.test/ws/',
        open: () => {
          const socket = new HandSocket()
          crowd.sockets.set(person, socket)
          crowd.handshakes++
          const refusal = answer()
          setTimeout(() => (refusal === null ? socket.greet() : socket.serverCloses(refusal)), 20)
          return socket
        },
        clock: browserClock,
        network: new TestNetwork(),
        random,
        accepts: () => true,
        onState: ({ name }) => void (name === 'open' && crowd.backAt.set(person, Date.now())),
        onFrame: () => undefined,
      }),
  )
  for (const connection of crowd.connections) connection.start()
  vi.advanceTimersByTime(15_000)
  expect(crowd.backAt.size).toBe(people)
  crowd.backAt.clear()
  crowd.handshakes = 0
  return crowd
}

/** Seconds until everybody is connected again. */
function waitForAll({ connections, backAt }: Crowd): number {
  const began = Date.now()
  while (backAt.size < connections.length) {
    vi.advanceTimersByTime(100)
    expect(Date.now() - began).toBeLessThan(300_000)
  }
  for (const connection of connections) connection.stop()
  return (Math.max(...backAt.values()) - began) / 1_000
}

/**
 * Seconds until each of `people` is connected again after all were closed with 1012, and the handshakes that took.
 * What is above the limit is refused with `refusal`, as nginx (1006: HTTP 429 instead of a socket) and the app (4009) do.
 */
function comeBack(people: number, refusal: number, saved: number): { slowest: number; handshakes: number } {
  let tokens = saved
  let counted = 0
  let limited = false
  const crowd = crowdOf(people, () => {
    if (!limited) return null
    const now = Date.now()
    tokens = Math.min(saved, tokens + ((now - counted) / 1_000) * ALLOWED_PER_S)
    counted = now
    return tokens >= 1 && tokens-- > 0 ? null : refusal
  })
  limited = true
  counted = Date.now()
  for (const socket of crowd.sockets.values()) socket.serverCloses(1012)
  return { slowest: waitForAll(crowd), handshakes: crowd.handshakes }
}

// `saved`: the address's requests at once. nginx allows two seconds' worth, the app four.
test.each([
  ['nginx', 1006, 2 * ALLOWED_PER_S],
  ['the app', 4009, 4 * ALLOWED_PER_S],
] as const)('300 people behind one address are back within seconds where %s refuses what is too much', (_, refusal, saved) => {
  const { slowest, handshakes } = comeBack(300, refusal, saved)
  expect(handshakes).toBeGreaterThan(300) // the limit was felt
  expect(slowest).toBeLessThan(20)
  expect(handshakes).toBeLessThan(900)
})

test.each([10, 25, 50])('a server that was away for %i s is found again within seconds', (seconds) => {
  let away = false
  const crowd = crowdOf(60, () => (away ? 1006 : null))
  away = true
  for (const socket of crowd.sockets.values()) socket.serverCloses(1006)
  vi.advanceTimersByTime(seconds * 1_000)
  // On average one handshake in two seconds each, and more at the beginning.
  expect(crowd.handshakes).toBeLessThan(60 * (seconds / 2 + 4))
  crowd.backAt.clear()
  away = false
  expect(waitForAll(crowd)).toBeLessThan(4.2)
})

test('a server that was away for long is asked rarely', () => {
  let away = false
  const crowd = crowdOf(60, () => (away ? 1006 : null))
  away = true
  for (const socket of crowd.sockets.values()) socket.serverCloses(1006)
  vi.advanceTimersByTime(90_000)
  const before = crowd.handshakes
  vi.advanceTimersByTime(60_000)
  expect(crowd.handshakes - before).toBeLessThan(60 * 7)
  for (const connection of crowd.connections) connection.stop()
})
