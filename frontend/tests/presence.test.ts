import { createPinia, setActivePinia } from 'pinia'
import { afterEach, beforeEach, expect, test, vi } from 'vitest'
import { AWAY_AFTER, watchActivity } from '../src/activity'
import type { Hello, Presence } from '../src/protocol'
import { useConnection } from '../src/stores/connection'
import { usePresence } from '../src/stores/presence'

const HELLO: Hello = { type: 'hello', protocol: 1, user: { id: 1, name: 'ada' }, heartbeat: 20, limits: { text: 1, frame: 1, rate: 1 }, epoch: 'first', features: [] }
const ADA = { id: 1, name: 'ada' }
const BOB = { id: 2, name: 'bob' }

/** What stores and the tracker use of the socket. */
function fakeSocket() {
  const handlers = new Map<string, (event: never) => void>()
  const said: object[] = []
  return {
    said,
    on: (name: string, handler: (event: never) => void) => (handlers.set(name, handler), () => handlers.delete(name)),
    request: (frame: object) => (said.push(frame), Promise.resolve({})),
    emit: (name: string, event: object) => handlers.get(name)?.(event as never),
  }
}

let socket: ReturnType<typeof fakeSocket>

beforeEach(() => {
  vi.useFakeTimers()
  setActivePinia(createPinia())
  useConnection().state = { name: 'open', hello: HELLO }
  socket = fakeSocket()
})

afterEach(() => vi.useRealTimers())

function changed(fields: Partial<Presence>): void {
  socket.emit('presence', { type: 'presence', room: 'lobby', online_count: 2, joined: [], left: [], ...fields })
}

function presence(online = [ADA, BOB], count = online.length) {
  const store = usePresence()
  store.listen(socket as never)
  socket.emit('joined', { room: 'lobby', online_count: count, online, away: [] })
  return store
}

test('a person is online, away or offline as the room says', () => {
  const store = presence()
  expect(store.stateIn('lobby', BOB.id)).toBe('online')
  changed({ away: [BOB.id] })
  expect(store.stateOf(BOB.id)).toBe('away')
  changed({ back: [BOB.id] })
  expect(store.stateOf(BOB.id)).toBe('online')
  changed({ online_count: 1, left: [BOB] })
  expect(store.stateIn('lobby', BOB.id)).toBe('offline')
  changed({ joined: [BOB], away: [BOB.id] })
  expect(store.stateIn('lobby', BOB.id)).toBe('away')
})

test('nothing is said of people whom a large room does not name', () => {
  const store = presence([ADA], 150)
  expect(store.stateIn('lobby', BOB.id)).toBeNull()
  changed({ online_count: 201 })
  expect(store.stateIn('lobby', ADA.id)).toBeNull()
  changed({ online_count: 2, joined: [ADA, BOB] })
  expect(store.stateIn('lobby', BOB.id)).toBe('online')
})

/** The part of a document that the tracker listens to. */
const page = () => Object.assign(new EventTarget(), { hidden: false }) as unknown as Document

test('a person without input is away, and back with the next', () => {
  const document = page()
  const end = watchActivity(socket as never, document)
  vi.advanceTimersByTime(AWAY_AFTER - 20_000)
  document.dispatchEvent(new Event('keydown'))
  vi.advanceTimersByTime(AWAY_AFTER - 20_000)
  expect(socket.said).toEqual([])
  vi.advanceTimersByTime(40_000)
  expect(socket.said).toEqual([{ type: 'activity', state: 'away' }])
  for (let moves = 0; moves < 50; moves++) document.dispatchEvent(new Event('pointermove'))
  expect(socket.said.slice(1)).toEqual([{ type: 'activity', state: 'active' }])
  end()
})

test('a page that is hidden is no input', () => {
  const document = page()
  const end = watchActivity(socket as never, document)
  vi.advanceTimersByTime(AWAY_AFTER)
  Object.assign(document, { hidden: true })
  document.dispatchEvent(new Event('visibilitychange'))
  expect(socket.said).toHaveLength(1)
  Object.assign(document, { hidden: false })
  document.dispatchEvent(new Event('visibilitychange'))
  expect(socket.said).toHaveLength(2)
  end()
})

test('a new socket hears that its person is away', () => {
  const end = watchActivity(socket as never, page())
  vi.advanceTimersByTime(AWAY_AFTER + 15_000)
  socket.emit('hello', HELLO)
  expect(socket.said).toEqual([
    { type: 'activity', state: 'away' },
    { type: 'activity', state: 'away' },
  ])
  end()
})
