import { createPinia, setActivePinia } from 'pinia'
import { afterEach, beforeEach, expect, test, vi } from 'vitest'
import { request, sendDurable, startFeatures, useLive } from '../../src/features/client'
import { installFeatures } from '../../src/features/registry'
import { useConnection } from '../../src/stores/connection'
import { toasts } from '../../src/ui/toasts'
import { RecordingClient } from '../support/client'
import { TestServer } from '../support/server'

let server: TestServer
let ada: RecordingClient
const until = (check: () => void) => vi.waitFor(check, { timeout: 5_000, interval: 5 })

beforeEach(async () => {
  setActivePinia(createPinia())
  server = await TestServer.start()
  ada = new RecordingClient(server.url)
  useConnection().chat = () => ada.chat
  toasts.value = []
})

afterEach(async () => {
  ada.chat.disconnect()
  await server.stop()
})

async function started(): Promise<void> {
  startFeatures(ada.chat, 1)
  ada.chat.join('lobby')
  ada.chat.connect()
  await until(() => expect(ada.snapshots).toHaveLength(1))
}

test('a request is answered by the reply it names, or fails', async () => {
  installFeatures([])
  await started()
  expect(await request({ type: 'location.update', room: 'lobby' })).toMatchObject({ type: 'ok' })
  await expect(request({ type: 'note.open' }, 'note.opened')).rejects.toMatchObject({ code: 'bad_reply' })
  server.fault = () => 'closed'
  await expect(request({ type: 'poll.mine' })).rejects.toMatchObject({ code: 'closed' })
  ada.chat.disconnect()
  await expect(request({ type: 'poll.mine' })).rejects.toMatchObject({ code: 'disconnected' })
})

test('a durable frame is stored once there is a connection', async () => {
  installFeatures([])
  const stored = sendDurable({ type: 'poll.create', room: 'lobby', question: 'Tea?' })
  await started()
  expect(await stored).toMatchObject({ type: 'stored', seq: 1 })
})

test('a refused frame without a row leaves the outbox with a notice', async () => {
  installFeatures([])
  await started()
  server.fault = (frame) => ((frame.type as string) === 'poll.vote' ? 'never_heard_of' : null)
  const refused = expect(sendDurable({ type: 'poll.vote', room: 'lobby', target: 1 })).rejects.toMatchObject({ code: 'never_heard_of' })
  await refused
  expect(ada.chat.unsent()).toEqual([])
  expect(toasts.value.map(({ text }) => text)).toEqual(['refused with never_heard_of'])
})

test('a refused frame that a row shows stays there', async () => {
  installFeatures([{ name: 'polls', outgoing: { 'poll.create': { render: () => null } } }])
  await started()
  server.fault = (frame) => ((frame.type as string) === 'poll.create' ? 'too_many' : null)
  await expect(sendDurable({ type: 'poll.create', room: 'lobby' })).rejects.toMatchObject({ code: 'too_many' })
  expect(ada.chat.unsent()).toMatchObject([{ type: 'poll.create', state: 'failed' }])
  expect(toasts.value).toEqual([])
})

test('live frames and pushes reach the feature that names them, and the values are kept', async () => {
  const seen: string[] = []
  installFeatures([{ name: 'places', live: { position: ({ room }) => seen.push(`live ${room}`) }, pushes: { 'note.update': ({ type }) => seen.push(type) } }])
  await started()
  const value = { key: 'ada', from: { id: 1, name: 'ada' }, value: 5, at: new Date().toISOString(), expires: new Date(Date.now() + 60_000).toISOString() }
  server.push({ type: 'live', room: 'lobby', topic: 'position', values: [value] })
  server.push({ type: 'live', room: 'lobby', topic: 'unknown', values: [value] })
  server.push({ type: 'note.update', room: 'lobby' })
  server.push({ type: 'unheard-of' })
  await until(() => expect(seen).toEqual(['live lobby', 'note.update']))
  expect(useLive<number>('lobby', 'position').value.get('ada')?.value).toBe(5)
  expect(useLive('lobby', 'unknown').value.size).toBe(0)
})

test('an event of an unknown kind is handed on in its place', async () => {
  installFeatures([])
  server.write('lobby', 'one')
  await started()
  server.logs.get('lobby')!.push({ type: 'hologram', room: 'lobby', seq: 2, from: { id: 2, name: 'bob' }, at: '' } as never)
  server.announce(server.log('lobby')[1]!)
  server.write('lobby', 'three')
  await until(() => expect(ada.seqs()).toEqual([1, 2, 3]))
  expect(ada.snapshots).toHaveLength(1)
})
