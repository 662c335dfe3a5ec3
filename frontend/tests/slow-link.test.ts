/** Resuming where a page takes long. The clock and the wire are driven by hand. */
import { afterEach, beforeEach, expect, test, vi } from 'vitest'
import { RecordingClient, range } from './support/client'
import { HandSocket } from './support/wire'

interface Join {
  type: string
  id: number
  room: string
  after?: number
}

let sockets: HandSocket[]
let client: RecordingClient

beforeEach(() => {
  vi.useFakeTimers()
  sockets = []
  client = new RecordingClient('ws://chat.test/ws/', {
    open: () => {
      sockets.push(new HandSocket())
      return last()
    },
  })
})

afterEach(() => {
  client.chat.disconnect()
  vi.useRealTimers()
})

const last = () => sockets.at(-1)!
const passes = (ms: number) => vi.advanceTimersByTime(ms)
const joins = () => (last().sent as Join[]).filter(({ type }) => type === 'room.join')
const asked = () => joins().map(({ room }) => room)

/** Answers a join with events of numbers `first` to `end`. */
function page(join: Join, first: number, end: number, head = end): void {
  const events = range(first, end).map((seq) => ({
    type: 'message', room: join.room, seq, from: { id: 2, name: 'bob' }, text: `m${seq}`, at: '2026-03-01T12:00:00Z',
    edited: false, deleted: false, reactions: {},
  }))
  last().say({ type: 'room.joined', re: join.id, room: join.room, head, events, more: end < head, member_count: 2, online_count: 2, online: [] })
}

/** Rooms that are joined, hold the event 1, and lost their connection a moment ago; the last of them is on screen. */
function resuming(...rooms: string[]): void {
  client.chat.connect()
  last().greet()
  for (const room of rooms) {
    client.chat.join(room)
    page(joins().at(-1)!, 1, 1)
  }
  last().serverCloses(1006)
  passes(1_000)
  last().greet()
}

test('a page that takes half a minute is asked for once, and used', () => {
  resuming('lobby')
  passes(30_000)
  page(joins()[0]!, 2, 200, 250)
  expect(client.seqs()).toEqual(range(1, 200))
  passes(30_000)
  page(joins()[1]!, 201, 250)
  expect(client.seqs()).toEqual(range(1, 250))
  expect(joins().map(({ after }) => after)).toEqual([1, 200])
  expect(sockets).toHaveLength(2)
})

test('a page the server will not send any more is asked for again', () => {
  resuming('lobby')
  passes(10_000)
  expect(joins()).toHaveLength(1)
  last().answerPing()
  passes(1_000)
  expect(joins()).toHaveLength(2)
  page(joins()[1]!, 2, 3)
  expect(client.seqs()).toEqual([1, 2, 3])
})

test('on a slow link one room after the other comes back, the one on screen first', () => {
  resuming('one', 'two', 'three')
  for (const room of ['three', 'two', 'one']) {
    expect(asked().at(-1)).toBe(room)
    const count = joins().length
    passes(5_000)
    expect(joins()).toHaveLength(count)
    page(joins().at(-1)!, 2, 2)
  }
  expect(asked()).toEqual(['three', 'two', 'one'])
})

test('quick answers let more joins go at a time, four at most', () => {
  resuming(...range(1, 12).map((n) => `room-${n}`))
  const underWay: number[] = []
  for (let answered = 0; answered < 12; answered++) {
    underWay.push(joins().length - answered)
    passes(50)
    page(joins()[answered]!, 2, 2)
  }
  expect(underWay).toEqual([1, 2, 3, 4, 4, 4, 4, 4, 4, 3, 2, 1])
  expect(asked()).toEqual(range(1, 12).map((n) => `room-${13 - n}`))
})

test('a slow answer makes them wait for each other again', () => {
  resuming(...range(1, 8).map((n) => `room-${n}`))
  for (const join of range(0, 2)) page(joins()[join]!, 2, 2)
  expect(joins()).toHaveLength(7)
  passes(2_001)
  for (const join of range(3, 6)) page(joins()[join]!, 2, 2)
  expect(joins()).toHaveLength(8)
})

test('a room opened meanwhile goes before waiting rooms, and before the next page of the present one', () => {
  resuming('one', 'two', 'three')
  client.chat.join('new')
  client.chat.join('one')
  passes(5_000)
  page(joins()[0]!, 2, 200, 300)
  expect(asked()).toEqual(['three', 'one'])
  passes(5_000)
  page(joins()[1]!, 2, 2)
  passes(5_000)
  page(joins()[2]!, 1, 1)
  expect(asked()).toEqual(['three', 'one', 'new', 'three'])
  expect(joins()[3]).toMatchObject({ after: 200 })
})

test('events that come for a room that waits for its turn are kept for it', () => {
  client.chat.connect()
  last().greet()
  client.chat.join('slow')
  passes(5_000)
  page(joins()[0]!, 1, 1)
  client.chat.join('lobby')
  passes(5_000)
  page(joins()[1]!, 1, 1)
  const event = { type: 'message', room: 'lobby', from: { id: 2, name: 'bob' }, text: '', at: '2026-03-01T12:00:00Z' }
  last().say({ type: 'gap', room: 'slow', head: 9 })
  last().say({ ...event, seq: 3 })
  last().say({ ...event, seq: 4 })
  expect(asked()).toEqual(['slow', 'lobby', 'slow'])
  passes(5_000)
  page(joins()[2]!, 2, 9)
  expect(asked()).toEqual(['slow', 'lobby', 'slow', 'lobby'])
  page(joins()[3]!, 2, 3)
  expect(client.applied.filter(({ room }) => room === 'lobby').map(({ seq }) => seq)).toEqual([1, 2, 3, 4])
})

test('a room that was left lets the next one go', () => {
  resuming('one', 'two')
  client.chat.leave('two')
  passes(5_000)
  page(joins()[0]!, 2, 2)
  expect(asked()).toEqual(['two', 'one'])
})
