import { createPinia, setActivePinia } from 'pinia'
import { afterEach, beforeEach, expect, test, vi } from 'vitest'
import type { Hello } from '../src/protocol'
import { useConnection } from '../src/stores/connection'
import { useRooms } from '../src/stores/rooms'

const HELLO: Hello = { type: 'hello', protocol: 1, user: { id: 1, name: 'ada' }, heartbeat: 20, limits: { text: 1, frame: 1, rate: 1 } }
const LOBBY = {
  slug: 'lobby', title: 'Lobby', kind: 'public', private: false, head: 0, member: true, upto: 0, member_count: 1, peer: null,
  role: 'member', last_at: null,
}

let asked: number
let answer: () => Response

beforeEach(() => {
  vi.useFakeTimers()
  setActivePinia(createPinia())
  asked = 0
  vi.stubGlobal('fetch', async () => {
    asked++
    return answer()
  })
})

afterEach(() => {
  vi.unstubAllGlobals()
  vi.useRealTimers()
})

const problem = (status: number) => () => Response.json({ title: 'No', detail: 'Not now.', status, code: 'no' }, { status })

test.each([429, 500, 503])('a room list that was refused with %i is asked for again until it is there', async (status) => {
  useConnection().state = { name: 'open', hello: HELLO }
  const rooms = useRooms()
  answer = problem(status)
  await rooms.load()
  await vi.advanceTimersByTimeAsync(10_000)
  expect(asked).toBeGreaterThan(2)
  expect(asked).toBeLessThan(10)
  expect(rooms.failure).toBe('Not now.')
  answer = () => Response.json({ rooms: [LOBBY] })
  await vi.advanceTimersByTimeAsync(25_000)
  expect(rooms.mine.map(({ slug }) => slug)).toEqual(['lobby'])
  expect(rooms.failure).toBe('')
  const enough = asked
  await vi.advanceTimersByTimeAsync(60_000)
  expect(asked).toBe(enough)
})

test('mark all as read sends one mark after the other', async () => {
  const connection = useConnection()
  const rooms = useRooms()
  answer = () => Response.json({ rooms: ['a', 'b', 'c'].map((slug, index) => ({ ...LOBBY, slug, head: 9, upto: index === 2 ? 9 : 3 })) })
  await rooms.load()
  expect(rooms.totalUnread).toBe(12)
  const marks: string[] = []
  let underWay = 0
  connection.chat = () =>
    ({
      request: async (frame: { room: string; upto: number }) => {
        expect(++underWay).toBe(1)
        await Promise.resolve()
        underWay--
        marks.push(`${frame.room} ${frame.upto}`)
      },
    }) as never
  await rooms.readAll()
  expect(marks).toEqual(['a 9', 'b 9'])
  expect(rooms.totalUnread).toBe(0)
})

test('what is refused for good, or without a connection, is not asked for again', async () => {
  const rooms = useRooms()
  useConnection().state = { name: 'open', hello: HELLO }
  answer = problem(403)
  await rooms.load()
  useConnection().state = { name: 'closed' }
  answer = problem(503)
  await rooms.load()
  await vi.advanceTimersByTimeAsync(60_000)
  expect(asked).toBe(2)
})
