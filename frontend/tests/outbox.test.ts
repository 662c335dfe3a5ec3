import { afterEach, beforeEach, expect, test, vi } from 'vitest'
import { OutboxFull } from '../src/socket'
import { MAX_FRAMES } from '../src/socket/outbox'
import { MemoryStorage, range, RecordingClient } from './support/client'
import { TestServer } from './support/server'

let server: TestServer
let clients: RecordingClient[]

beforeEach(async () => {
  server = await TestServer.start()
  clients = []
})

afterEach(async () => {
  for (const { chat } of clients) chat.disconnect()
  await server.stop()
})

function client(storage: MemoryStorage | null = null, owner = '1'): RecordingClient {
  const made = new RecordingClient(server.url, { storage, owner })
  clients.push(made)
  return made
}

const until = (check: () => void) => vi.waitFor(check, { timeout: 5_000, interval: 5 })
const say = (target: RecordingClient, ...texts: string[]) => texts.map((text) => target.chat.send({ room: 'lobby' }, text).key)

test('what is written without a connection goes out in order once there is one', async () => {
  const ada = client()
  say(ada, 'one', 'two', 'three')
  expect(ada.chat.unsent().map(({ state }) => state)).toEqual(['waiting', 'waiting', 'waiting'])
  ada.chat.connect()
  await until(() => expect(server.texts('lobby')).toEqual(['one', 'two', 'three']))
  await until(() => expect(ada.chat.unsent()).toEqual([]))
})

test('a message whose answer was lost is sent again with the same key and stored once', async () => {
  const ada = client()
  ada.chat.join('lobby')
  ada.chat.connect()
  await until(() => expect(ada.snapshots).toHaveLength(1))
  let dropped = false
  server.fault = (frame) => {
    if (frame.type !== 'message.send' || dropped) return null
    dropped = true
    // Committed and then cut off: the sender cannot know.
    server.commit('lobby', frame.text, frame.key)
    server.sever()
    return 'drop'
  }
  const keys = say(ada, 'first', 'second')
  await until(() => expect(ada.sentKeys).toEqual(keys))
  expect(server.texts('lobby')).toEqual(['first', 'second'])
  expect(server.sends().map(({ key }) => key)).toEqual([keys[0], keys[0], keys[1]])
  await until(() => expect(ada.texts()).toEqual(['first', 'second']))
})

test('unavailable is tried again, and the next message does not overtake', async () => {
  let failures = 2
  server.fault = (frame) => (frame.type === 'message.send' && frame.text === 'one' && failures-- > 0 ? 'unavailable' : null)
  const ada = client()
  ada.chat.connect()
  const [first, second] = say(ada, 'one', 'two')
  await until(() => expect(server.texts('lobby')).toEqual(['one', 'two']))
  expect(server.sends().map(({ key }) => key)).toEqual([first, first, first, second])
})

test('a slow room does not hold up another', async () => {
  server.fault = (frame) => (frame.type === 'message.send' && 'room' in frame && frame.room === 'slow' ? 'unavailable' : null)
  const ada = client()
  ada.chat.connect()
  ada.chat.send({ room: 'slow' }, 'stuck')
  ada.chat.send({ room: 'quick' }, 'through')
  await until(() => expect(server.texts('quick')).toEqual(['through']))
  await until(() => expect(ada.chat.unsent().map(({ fields }) => fields.text)).toEqual(['stuck']))
})

test('rate_limited waits a second or more and then goes through', async () => {
  let failures = 1
  server.fault = (frame) => (frame.type === 'message.send' && failures-- > 0 ? 'rate_limited' : null)
  const ada = client()
  ada.chat.connect()
  const started = Date.now()
  say(ada, 'eager')
  await until(() => expect(server.texts('lobby')).toEqual(['eager']))
  expect(Date.now() - started).toBeGreaterThanOrEqual(1_000)
  expect(new Set(server.sends().map(({ key }) => key)).size).toBe(1)
})

test('a long queue keeps below the rate that the server names', async () => {
  server.rate = 50
  const ada = client()
  say(ada, ...range(1, 12).map((n) => `m${n}`))
  const started = Date.now()
  ada.chat.connect()
  await until(() => expect(server.texts('lobby')).toHaveLength(12))
  expect(Date.now() - started).toBeGreaterThanOrEqual(11 * 20)
})

test('a refused message says why, lets the next ones pass, and can be retried or discarded', async () => {
  server.fault = (frame) => (frame.type === 'message.send' && frame.text.startsWith('bad') ? 'not_a_member' : null)
  const ada = client()
  ada.chat.connect()
  const [bad, , worse] = say(ada, 'bad', 'good', 'bad too')
  await until(() => expect(ada.chat.unsent().map(({ state }) => state)).toEqual(['failed', 'failed']))
  expect(server.texts('lobby')).toEqual(['good'])
  expect(ada.chat.unsent()[0]!.error).toEqual({ code: 'not_a_member', message: 'refused with not_a_member' })
  server.fault = () => null
  ada.chat.discard(worse!)
  ada.chat.retry(bad!)
  await until(() => expect(server.texts('lobby')).toEqual(['good', 'bad']))
  expect(server.sends().at(-1)!.key).toBe(bad)
  await until(() => expect(ada.chat.unsent()).toEqual([]))
})

test('a frame larger than the server takes is refused at once, and the next ones pass', async () => {
  server.frameLimit = 1_000
  const ada = client()
  ada.chat.connect()
  // 400 characters of three bytes
  say(ada, '字'.repeat(400), 'short')
  await until(() => expect(server.texts('lobby')).toEqual(['short']))
  expect(ada.chat.unsent()).toMatchObject([{ state: 'failed', error: { code: 'too_long' } }])
  await expect(ada.chat.ask({ type: 'poll.create', text: 'x'.repeat(1_000) })).rejects.toMatchObject({ code: 'too_long' })
  expect(ada.chat.post({ type: 'typing', text: 'x'.repeat(1_000) })).toBe(false)
  expect([ada.chat.state.name, server.connections]).toEqual(['open', 1])
})

test('a frame of exactly the size that the server takes is sent', async () => {
  server.frameLimit = 1_000
  const ada = client()
  ada.chat.connect()
  await until(() => expect(ada.chat.state.name).toBe('open'))
  const size = JSON.stringify({ type: 'filler', text: '', id: 1 }).length
  await ada.chat.ask({ type: 'filler', text: 'x'.repeat(1_000 - size) })
  expect(server.received).toHaveLength(1)
})

test('the queue is bounded and says so', () => {
  const ada = client()
  say(ada, ...range(1, MAX_FRAMES).map(String))
  expect(() => say(ada, 'one too many')).toThrow(OutboxFull)
  expect(ada.chat.unsent()).toHaveLength(MAX_FRAMES)
})

test('the next page sends the unsent frames of the last one, with their keys', async () => {
  const storage = new MemoryStorage()
  const before = client(storage)
  const keys = say(before, 'one', 'two')
  before.chat.disconnect()

  const after = client(storage)
  expect(after.chat.unsent().map(({ key, fields }) => [key, fields.text])).toEqual([[keys[0], 'one'], [keys[1], 'two']])
  after.chat.connect()
  await until(() => expect(server.texts('lobby')).toEqual(['one', 'two']))
  await until(() => expect(storage.length).toBe(0))
})

test('a message that was on its way when the page went away is stored once', async () => {
  const storage = new MemoryStorage()
  const before = client(storage)
  before.chat.connect()
  await until(() => expect(before.chat.state.name).toBe('open'))
  server.fault = (frame) => {
    if (frame.type !== 'message.send') return null
    // Committed; the answer never comes.
    server.commit('lobby', frame.text, frame.key)
    return 'drop'
  }
  const keys = say(before, 'on its way', 'behind it')
  await until(() => expect(server.texts('lobby')).toEqual(['on its way']))
  expect(before.chat.unsent().map(({ state }) => state)).toEqual(['sending', 'waiting'])
  before.chat.disconnect()
  expect(before.chat.unsent().map(({ state }) => state)).toEqual(['waiting', 'waiting'])

  server.fault = () => null
  const after = client(storage)
  expect(after.chat.unsent().map(({ state }) => state)).toEqual(['waiting', 'waiting'])
  after.chat.connect()
  await until(() => expect(after.sentKeys).toEqual(keys))
  expect(server.texts('lobby')).toEqual(['on its way', 'behind it'])
  expect(storage.length).toBe(0)
})

test('messages written after a reload go behind waiting ones, also with a wrong clock', async () => {
  const storage = new MemoryStorage()
  const before = client(storage)
  say(before, 'one', 'two')
  const past = new RecordingClient(server.url, {
    storage,
    clock: { now: () => 0, setTimeout: (run, ms) => setTimeout(run, ms), clearTimeout: (handle) => clearTimeout(handle as number) },
  })
  clients.push(past)
  say(past, 'three')
  const after = client(storage)
  expect(after.chat.unsent().map(({ fields }) => fields.text)).toEqual(['one', 'two', 'three'])
  after.chat.connect()
  await until(() => expect(server.texts('lobby')).toEqual(['one', 'two', 'three']))
})

test('a refused message outlives a reload with its text and the reason, and is sent again on request only', async () => {
  const storage = new MemoryStorage()
  server.fault = (frame) => (frame.type === 'message.send' ? 'not_a_member' : null)
  const before = client(storage)
  before.chat.connect()
  const [key] = say(before, 'kept for you')
  await until(() => expect(before.chat.unsent()[0]!.state).toBe('failed'))
  before.chat.disconnect()

  const after = client(storage)
  after.chat.connect()
  await until(() => expect(after.chat.state.name).toBe('open'))
  expect(after.chat.unsent()).toMatchObject([
    { key, fields: { text: 'kept for you' }, state: 'failed', error: { code: 'not_a_member', message: 'refused with not_a_member' } },
  ])
  server.fault = () => null
  say(after, 'written since')
  await until(() => expect(server.texts('lobby')).toEqual(['written since']))
  after.chat.retry(key!)
  await until(() => expect(server.texts('lobby')).toEqual(['written since', 'kept for you']))
  await until(() => expect(storage.length).toBe(0))
})

test('waiting messages survive a new sign-in', async () => {
  const storage = new MemoryStorage()
  server.refuse = () => 4010
  const before = client(storage)
  say(before, 'for later')
  before.chat.connect()
  await until(() => expect(before.chat.state).toEqual({ name: 'refused', code: 4010 }))
  expect(before.chat.unsent()).toMatchObject([{ fields: { text: 'for later' }, state: 'waiting' }])

  server.refuse = null
  client(storage).chat.connect()
  await until(() => expect(server.texts('lobby')).toEqual(['for later']))
})

test('another person on the same browser does not send them', async () => {
  const storage = new MemoryStorage()
  say(client(storage), 'private')
  server.user = { id: 2, name: 'bob' }
  const bob = client(storage, '2')
  bob.chat.connect()
  await until(() => expect(bob.chat.state.name).toBe('open'))
  expect(bob.chat.unsent()).toEqual([])
  expect(storage.length).toBe(1)
})

test('a tab whose browser has another person signed in sends nothing', async () => {
  const storage = new MemoryStorage()
  const ada = client(storage)
  ada.chat.join('lobby')
  ada.chat.connect()
  await until(() => expect(ada.snapshots).toHaveLength(1))
  const greeted = vi.fn()
  ada.chat.on('hello', greeted)
  const before = server.received.length
  server.user = { id: 2, name: 'bob' }
  server.sever()
  await until(() => expect(ada.chat.state.name).not.toBe('open'))
  say(ada, 'of Ada')
  await until(() => expect(ada.chat.state).toEqual({ name: 'refused', code: 4010 }))
  await new Promise((resolve) => setTimeout(resolve, 50))
  expect(server.received).toHaveLength(before)
  expect(greeted).not.toHaveBeenCalled()
  expect(ada.chat.unsent()).toMatchObject([{ fields: { text: 'of Ada' }, state: 'waiting' }])

  server.user = { id: 1, name: 'ada' }
  client(storage).chat.connect()
  await until(() => expect(server.texts('lobby')).toEqual(['of Ada']))
})

test('two tabs that both send a stored message store it once', async () => {
  const storage = new MemoryStorage()
  say(client(storage), 'once', 'and for all')
  const tabs = [client(storage), client(storage)]
  for (const tab of tabs) tab.chat.connect()
  await until(() => tabs.forEach(({ chat }) => expect(chat.unsent()).toEqual([])))
  expect(server.texts('lobby')).toEqual(['once', 'and for all'])
})

test('a message that another tab discarded is not sent', async () => {
  const storage = new MemoryStorage()
  say(client(storage), 'one', 'regretted', 'three')
  const [first, second] = [client(storage), client(storage)]
  first.chat.discard(first.chat.unsent()[1]!.key)
  second.chat.connect()
  await until(() => expect(second.chat.unsent()).toEqual([]))
  expect(server.texts('lobby')).toEqual(['one', 'three'])
})

test('stored messages that the queue had no room for follow once it is empty', async () => {
  const storage = new MemoryStorage()
  const tabs = [client(storage), client(storage)]
  const texts = range(1, MAX_FRAMES + 20).map(String)
  texts.forEach((text, index) => say(tabs[index < 25 ? 0 : 1]!, text))
  server.fault = (frame) => (frame.type === 'message.send' && frame.text === '3' ? 'not_a_member' : null)
  const after = client(storage)
  expect(after.chat.unsent()).toHaveLength(MAX_FRAMES)
  after.chat.connect()
  await until(() => expect(server.texts('lobby')).toHaveLength(MAX_FRAMES + 19))
  expect(server.texts('lobby').map(Number).sort((a, b) => a - b)).toEqual(texts.map(Number).filter((n) => n !== 3))
  await until(() => expect(after.chat.unsent()).toMatchObject([{ state: 'failed' }]))
})

test('storage that is full or broken stops no message', async () => {
  const storage = new MemoryStorage()
  storage.items.set('hubbub.outbox.1.broken', '{not json')
  storage.items.set('hubbub.outbox.1.odd', '{"key": 1}')
  storage.setItem = () => {
    throw new DOMException('full', 'QuotaExceededError')
  }
  const ada = client(storage)
  say(ada, 'still sent')
  ada.chat.connect()
  await until(() => expect(server.texts('lobby')).toEqual(['still sent']))
})

test('the first message to a person names the person and answers with the room', async () => {
  const ada = client()
  const rooms: string[] = []
  ada.chat.on('sent', ({ sent }) => rooms.push(sent.room))
  ada.chat.connect()
  ada.chat.send({ to: 7 }, 'hello')
  await until(() => expect(rooms).toEqual(['dm-1-7']))
  expect(server.sends()[0]).toMatchObject({ to: 7, text: 'hello' })
})

test('a message kept by an earlier version of the page is sent', async () => {
  const storage = new MemoryStorage()
  const kept = { key: 'old-key', destination: { room: 'lobby' }, text: 'from before', at: 1, state: 'waiting', error: null }
  storage.setItem('hubbub.outbox.1.old-key', JSON.stringify(kept))
  client(storage).chat.connect()
  await until(() => expect(server.sends()).toMatchObject([{ key: 'old-key', text: 'from before', room: 'lobby' }]))
})

test('a frame of a feature waits in the same lane, keeps its fields and its key, and is sent once more after a reload', async () => {
  const storage = new MemoryStorage()
  const before = client(storage)
  say(before, 'first')
  const { key } = before.chat.sendFrame({ type: 'poll.vote', room: 'lobby', target: 7, choices: [1] })
  server.fault = (frame) => (frame.type === ('poll.vote' as never) ? 'drop' : null)
  before.chat.connect()
  await until(() => expect(server.received.at(-1)).toMatchObject({ type: 'poll.vote', key, room: 'lobby', target: 7, choices: [1] }))
  expect(server.received.map(({ type }) => type as string)).toEqual(['message.send', 'poll.vote'])
  before.chat.disconnect()

  server.fault = () => null
  const after = client(storage)
  after.chat.connect()
  await until(() => expect(after.sentKeys).toEqual([key]))
  expect(after.chat.unsent()).toEqual([])
  expect(storage.length).toBe(0)
})

test('a refused frame of a feature says so with its code', async () => {
  server.fault = (frame) => (frame.type === ('poll.vote' as never) ? 'closed' : null)
  const ada = client()
  const failed: string[] = []
  ada.chat.on('failed', ({ type, error }) => failed.push(`${type} ${error!.code}`))
  ada.chat.sendFrame({ type: 'poll.vote', room: 'lobby', target: 7, choices: [1] })
  ada.chat.connect()
  await until(() => expect(failed).toEqual(['poll.vote closed']))
})
