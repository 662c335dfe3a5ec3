import { createPinia, setActivePinia } from 'pinia'
import { afterEach, beforeEach, expect, test, vi } from 'vitest'
import type { Room } from '../src/api'
import type { Hello } from '../src/protocol'
import type { LogEvent } from '../src/protocol'
import type { ChatSocket, ChatSocketEvents } from '../src/socket'
import { Emitter } from '../src/socket/emitter'
import { useConnection } from '../src/stores/connection'
import { titleOf, useRooms } from '../src/stores/rooms'

const HELLO: Hello = { type: 'hello', protocol: 1, user: { id: 1, name: 'ada' }, heartbeat: 20, limits: { text: 1, frame: 1, rate: 1 }, epoch: 'first', features: [] }
const LOBBY = {
  slug: 'lobby', title: 'Lobby', kind: 'public', private: false, head: 0, member: true, upto: 0, unread: 0, member_count: 1, peer: null,
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
  answer = () => Response.json({ rooms: ['a', 'b', 'c'].map((slug, index) => ({ ...LOBBY, slug, head: 9, upto: index === 2 ? 9 : 3, unread: index === 2 ? 0 : 4 })) })
  await rooms.load()
  expect(rooms.totalUnread).toBe(8)
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

test('a mark leaves messages below it unread, and is taken back if the server did not get it', async () => {
  const connection = useConnection()
  const rooms = useRooms()
  answer = () => Response.json({ rooms: [{ ...LOBBY, head: 9, upto: 3, unread: 6 }] })
  await rooms.load()
  connection.chat = () => ({ request: async () => ({}) }) as never
  await rooms.read('lobby', 7, 2)
  expect(rooms.get('lobby')).toMatchObject({ upto: 7, unread: 2 })
  connection.chat = () => ({ request: () => Promise.reject(new Error('gone')) }) as never
  await rooms.read('lobby', 9)
  expect(rooms.get('lobby')).toMatchObject({ upto: 7, unread: 2 })
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

/** What the server does with each request, by its method and address. */
function serve(handle: (method: string, url: string, body: Record<string, unknown>) => Response): string[] {
  const calls: string[] = []
  vi.stubGlobal('document', { cookie: 'csrftoken=abc' })
  vi.stubGlobal('fetch', async (url: string, { method, body }: { method: string; body: string | null }) => {
    calls.push(`${method} ${url}`)
    return handle(method, url, JSON.parse(body ?? '{}') as Record<string, unknown>)
  })
  return calls
}

test('a room that the list does not reach is looked for and kept', async () => {
  const rooms = useRooms()
  const far = { ...LOBBY, slug: 'zoo', member: false }
  const calls = serve((_, url) => (url.includes('room=zoo') ? Response.json({ rooms: [far] }) : Response.json({ rooms: [LOBBY] })))
  await rooms.load()
  const search = rooms.find('zoo')
  void rooms.find('zoo')
  expect(rooms.looking.has('zoo')).toBe(true)
  await search
  expect(rooms.get('zoo')?.slug).toBe('zoo')
  await rooms.load()
  expect(rooms.get('zoo')?.slug).toBe('zoo')
  expect(calls.filter((call) => call.includes('zoo'))).toHaveLength(1)
})

test('a list asked for before I joined does not take me out', async () => {
  const rooms = useRooms()
  const answers: ((response: Response) => void)[] = []
  vi.stubGlobal('document', { cookie: 'csrftoken=abc' })
  vi.stubGlobal('fetch', () => new Promise<Response>((resolve) => answers.push(resolve)))
  const outside = { ...LOBBY, member: false }
  const first = rooms.load()
  answers[0]!(Response.json({ rooms: [outside] }))
  await first
  const second = rooms.load()
  rooms.put({ ...rooms.get(LOBBY.slug)!, member: true })
  answers[1]!(Response.json({ rooms: [outside] }))
  await second
  expect(rooms.get(LOBBY.slug)?.member).toBe(true)
  const third = rooms.load()
  answers[2]!(Response.json({ rooms: [outside] }))
  await third
  expect(rooms.get(LOBBY.slug)?.member).toBe(false)
})

test('many rooms are left in batches, and the kept ones are named', async () => {
  const rooms = useRooms()
  const left: string[] = []
  useConnection().chat = () => ({ leave: (slug: string) => left.push(slug) }) as never
  const batches: string[][] = []
  serve((_, __, { rooms: slugs }) => {
    batches.push(slugs as string[])
    const kept: string[] = (slugs as string[]).includes('room-7') ? ['room-7'] : []
    return Response.json({ left: (slugs as string[]).filter((slug) => !kept.includes(slug)), kept, more: false })
  })
  const slugs = Array.from({ length: 1100 }, (_, index) => `room-${index}`)
  expect(await rooms.leaveMany(slugs, false)).toEqual({ left: 1099, kept: ['room-7'] })
  expect(batches.map(({ length }) => length)).toEqual([500, 500, 100])
  expect(left).toHaveLength(1099)
})

test('rooms of one person are left until there are no more', async () => {
  const rooms = useRooms()
  useConnection().chat = () => ({ leave: () => undefined }) as never
  let calls = 0
  serve(() => Response.json({ left: calls++ < 2 ? ['a', 'b'] : [], kept: ['last'], more: true }))
  expect(await rooms.leaveMany({ added_by: 9 }, false)).toEqual({ left: 4, kept: ['last'] })
  expect(calls).toBe(3)
})

/** Frames from the server, without a server. */
class Pushes extends Emitter<ChatSocketEvents> {
  push<Name extends keyof ChatSocketEvents>(name: Name, frame: Omit<ChatSocketEvents[Name], 'type'>): void {
    this.emit(name, { type: name, ...frame } as never)
  }
}

function listening(): { rooms: ReturnType<typeof useRooms>; server: Pushes } {
  const rooms = useRooms()
  const server = new Pushes()
  rooms.listen(server as unknown as ChatSocket, 1)
  return { rooms, server }
}

const TEAM = { room: 'team', title: 'The team', kind: 'private', private: true } as const

test('an invitation is in the list before the list is asked for', () => {
  const { rooms, server } = listening()
  server.push('room.added', { ...TEAM, head: 12, upto: 10 })
  expect(rooms.mine.map(({ slug, title }) => [slug, title])).toEqual([['team', 'The team']])
  expect(rooms.totalUnread).toBe(2)
})

test('a removal takes a private room out and says why', () => {
  const { rooms, server } = listening()
  server.push('room.added', { ...TEAM, head: 1, upto: 1 })
  server.push('room.left', { room: 'team', reason: 'removed' })
  expect(rooms.get('team')).toBeUndefined()
  expect(rooms.ended.get('team')).toEqual({ title: 'The team', reason: 'removed' })
  server.push('room.added', { ...TEAM, head: 1, upto: 1 })
  expect(rooms.ended.has('team')).toBe(false)
})

test('a public room that was left stays open to join', () => {
  const { rooms, server } = listening()
  rooms.put(LOBBY as Room)
  server.push('room.left', { room: 'lobby', reason: 'left' })
  expect(rooms.open.map(({ slug }) => slug)).toEqual(['lobby'])
  server.push('room.left', { room: 'lobby', reason: 'deleted' })
  expect(rooms.get('lobby')).toBeUndefined()
})

test('titles, names and read marks of elsewhere are followed', () => {
  const { rooms, server } = listening()
  rooms.put({ ...LOBBY, head: 5, upto: 1 } as Room)
  rooms.put({ ...LOBBY, slug: 'dm-1-2', kind: 'direct', private: true, peer: { id: 2, name: 'bob' } } as Room)
  server.push('room.updated', { room: 'lobby', title: 'Entrance', kind: 'private', private: true })
  server.push('unread', { room: 'lobby', head: 5, upto: 5, count: 0, mentions: 0 })
  server.push('user.updated', { user: { id: 2, name: 'robert' } })
  expect(rooms.get('lobby')).toMatchObject({ title: 'Entrance', private: true, upto: 5 })
  expect(titleOf(rooms.get('dm-1-2')!)).toBe('robert')
})

const rest = { room: 'lobby', from: { id: 2, name: 'bob' } } as const
const said = (seq: number, at: string): LogEvent => ({ type: 'message', seq, at, text: '', edited: false, deleted: false, reactions: {}, ...rest })
const edited = (seq: number, at: string): LogEvent => ({ type: 'message.edited', seq, at, target: 1, text: 'x', ...rest })

test('edits and reactions make no room unread and move it nowhere in the list', () => {
  const { rooms, server } = listening()
  rooms.put({ ...LOBBY, head: 1, upto: 1, last_at: 'early' } as Room)
  server.push('events', { room: 'lobby', events: [edited(2, 'later')] })
  expect(rooms.get('lobby')).toMatchObject({ head: 2, unread: 0, last_at: 'early' })
  server.push('events', { room: 'lobby', events: [said(3, 'late'), edited(4, 'later')] })
  expect(rooms.get('lobby')).toMatchObject({ head: 4, unread: 1, last_at: 'late' })
})

test('the count of an unread frame is taken over, of an older one it is not', () => {
  const { rooms, server } = listening()
  rooms.put({ ...LOBBY, head: 9, upto: 2, unread: 3, last_at: 'early' } as Room)
  server.push('unread', { room: 'lobby', head: 12, upto: 2, count: 4, mentions: 0 })
  server.push('unread', { room: 'lobby', head: 11, upto: 2, count: 2, mentions: 0 })
  expect(rooms.get('lobby')).toMatchObject({ head: 12, unread: 4 })
})

test('a server that does not count is helped out by seqs', () => {
  const { rooms } = listening()
  const { unread: _, ...old } = LOBBY
  rooms.put({ ...old, head: 5, upto: 2 } as Room)
  expect(rooms.totalUnread).toBe(3)
})
