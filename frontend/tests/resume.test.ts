import { afterEach, beforeEach, expect, test, vi } from 'vitest'
import { MAX_CATCH_UP } from '../src/socket/resume'
import { range, RecordingClient } from './support/client'
import { TestServer } from './support/server'

let server: TestServer
let client: RecordingClient

beforeEach(async () => {
  server = await TestServer.start()
  client = new RecordingClient(server.url)
})

afterEach(async () => {
  client.chat.disconnect()
  await server.stop()
})

const joins = () => server.received.filter((frame) => frame.type === 'room.join')
const until = (check: () => void) => vi.waitFor(check, { timeout: 5_000, interval: 5 })

async function joined(room = 'lobby'): Promise<void> {
  client.chat.connect()
  client.chat.join(room)
  await until(() => expect(client.snapshots).toHaveLength(1))
}

test('a fresh join shows the latest messages and follows with live ones', async () => {
  for (const n of range(1, 60)) server.write('lobby', `m${n}`)
  await joined()
  expect(client.seqs()).toEqual(range(11, 60))
  server.write('lobby', 'live')
  await until(() => expect(client.seqs()).toEqual(range(11, 61)))
})

test('a room joined before there is a connection is joined once there is one', async () => {
  client.chat.join('lobby')
  expect(client.chat.highest('lobby')).toBeNull()
  client.chat.connect()
  await until(() => expect(client.chat.highest('lobby')).toBe(0))
})

test('after a cut line the room resumes, page by page, without a hole or a repeat', async () => {
  server.write('lobby', 'before')
  await joined()
  server.pageSize = 10
  server.sever()
  for (const n of range(2, 36)) server.write('lobby', `missed ${n}`)
  await until(() => expect(client.seqs()).toEqual(range(1, 36)))
  expect(joins().slice(1).map((frame) => 'after' in frame && frame.after)).toEqual([1, 11, 21, 31])
  expect(client.snapshots).toHaveLength(1)
})

test('an event that is pushed twice is handed on once', async () => {
  await joined()
  server.write('lobby', 'once')
  server.announce(server.log('lobby')[0]!)
  server.announce(server.log('lobby')[0]!)
  server.write('lobby', 'next')
  await until(() => expect(client.seqs()).toEqual([1, 2]))
  expect(client.texts()).toEqual(['once', 'next'])
})

test('a hole is fetched before what follows it is handed on', async () => {
  await joined()
  server.write('lobby', 'one')
  server.write('lobby', 'never pushed', { announce: false })
  server.write('lobby', 'three')
  server.write('lobby', 'four')
  await until(() => expect(client.texts()).toEqual(['one', 'never pushed', 'three', 'four']))
  expect(joins().at(-1)).toMatchObject({ after: 1 })
})

test('events pushed out of order arrive in order', async () => {
  await joined()
  for (const n of range(1, 6)) server.write('lobby', `m${n}`, { announce: false })
  for (const index of [3, 0, 5, 1, 2, 4]) server.announce(server.log('lobby')[index]!)
  await until(() => expect(client.seqs()).toEqual(range(1, 6)))
})

test('a gap makes the client join again after its last event', async () => {
  await joined()
  for (const n of range(1, 5)) server.write('lobby', `m${n}`, { announce: n < 3 })
  server.push({ type: 'gap', room: 'lobby', head: 5 })
  await until(() => expect(client.seqs()).toEqual(range(1, 5)))
  expect(joins().at(-1)).toMatchObject({ after: 2 })
})

test('kinds of event this client does not know keep their place in the log', async () => {
  await joined()
  server.write('lobby', 'one')
  await until(() => expect(client.seqs()).toEqual([1]))
  server.log('lobby').push({ type: 'poll.vote', room: 'lobby', seq: 2, from: { id: 2, name: 'bob' }, at: '' } as never)
  server.announce(server.log('lobby')[1]!)
  server.write('lobby', 'three')
  await until(() => expect(client.seqs()).toEqual([1, 2, 3]))
  expect(joins()).toHaveLength(1)
})

test('after a very long absence the latest messages come instead of everything', async () => {
  server.write('lobby', 'before')
  await joined()
  server.sever()
  for (const n of range(2, MAX_CATCH_UP + 500)) server.write('lobby', `m${n}`)
  await until(() => expect(client.snapshots).toHaveLength(2))
  const head = MAX_CATCH_UP + 500
  expect(client.seqs()).toEqual(range(head - 49, head))
  server.write('lobby', 'live')
  await until(() => expect(client.seqs().at(-1)).toBe(head + 1))
})

test.each(['connected', 'away'])('a log that went back while the client was %s is shown as it is now', async (how) => {
  for (const n of range(1, 5)) server.write('lobby', `m${n}`)
  await joined()
  if (how === 'away') server.sever()
  server.log('lobby').length = 2
  if (how === 'connected') server.push({ type: 'gap', room: 'lobby', head: 2 })
  await until(() => expect(client.snapshots).toHaveLength(2))
  expect(client.seqs()).toEqual([1, 2])
  server.write('lobby', 'with the number of a lost one')
  await until(() => expect(client.seqs()).toEqual([1, 2, 3]))
})

test('in another epoch of the logs a room starts anew, though its log is longer', async () => {
  for (const n of range(1, 3)) server.write('lobby', `m${n}`)
  await joined()
  server.sever()
  server.epoch = 'restored'
  server.log('lobby').length = 0
  for (const n of range(1, 9)) server.write('lobby', `other${n}`)
  await until(() => expect(client.snapshots).toHaveLength(2))
  expect(client.seqs()).toEqual(range(1, 9))
  expect(joins().at(-1)).not.toHaveProperty('after')
  server.sever()
  await until(() => expect(joins()).toHaveLength(3))
  expect(joins().at(-1)).toHaveProperty('after', 9)
})

test('a join that fails for a moment is tried again', async () => {
  let failures = 2
  server.fault = (frame) => (frame.type === 'room.join' && failures-- > 0 ? 'unavailable' : null)
  await joined()
  expect(joins()).toHaveLength(3)
})

test.each(['no_such_room', 'not_a_member', 'forbidden'])('%s at a join is final', async (code) => {
  server.fault = (frame) => (frame.type === 'room.join' ? code : null)
  client.chat.connect()
  client.chat.join('secret')
  await until(() => expect(client.lost).toEqual([`secret ${code}`]))
  expect(client.chat.joined('secret')).toBe(false)
  expect(joins()).toHaveLength(1)
})

test('a room that was left is not joined again after a reconnect', async () => {
  await joined()
  client.chat.leave('lobby')
  server.sever()
  await until(() => expect(server.connections).toBe(2))
  server.write('lobby', 'unseen')
  await until(() => expect(client.chat.state.name).toBe('open'))
  expect(joins()).toHaveLength(1)
  expect(client.applied).toEqual([])
})

test('rooms that are not joined here only say that something is unread', async () => {
  const unread: unknown[] = []
  client.chat.on('unread', (frame) => unread.push(frame))
  await joined()
  server.push({ type: 'unread', room: 'other', head: 4, upto: 1 })
  await until(() => expect(unread).toEqual([{ type: 'unread', room: 'other', head: 4, upto: 1 }]))
  expect(client.applied).toEqual([])
})
