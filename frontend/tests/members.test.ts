// @vitest-environment happy-dom
import { createPinia, setActivePinia } from 'pinia'
import { afterEach, beforeEach, expect, test, vi } from 'vitest'
import { createApp, ref, shallowRef, type App } from 'vue'
import type { Room } from '../src/api'
import { useMembers } from '../src/rooms/useMembers'
import type { ChatSocket, ChatSocketEvents } from '../src/socket'
import { Emitter } from '../src/socket/emitter'
import { useConnection } from '../src/stores/connection'
import { usePresence } from '../src/stores/presence'
import { useRooms } from '../src/stores/rooms'

const ROOM = { slug: 'team', title: 'Team', kind: 'private', private: true, head: 0, member: true, upto: 0, unread: 0, member_count: 2, peer: null, role: 'owner', last_at: null } as Room
const MEMBERS = { members: [{ id: 1, name: 'ada', role: 'owner' }, { id: 2, name: 'bob', role: 'member' }], more: false, next: null }
/** milliseconds; longer than a list of members waits after the news of a change */
const REFRESHED = 1_000

class Server extends Emitter<ChatSocketEvents> {
  leave(): void {}

  changed(): void {
    this.emit('room.updated', { type: 'room.updated', room: 'team', title: 'Team', kind: 'private' } as never)
  }
}

let app: App
let server: Server
let asked: string[]
/** ends the call that gives the room an heir */
let handedOver: (answer: Response) => void
const online = shallowRef(new Map<number, { id: number; name: string }>())

beforeEach(async () => {
  vi.useFakeTimers()
  setActivePinia(createPinia())
  server = new Server()
  vi.spyOn(useConnection(), 'chat').mockReturnValue(server as unknown as ChatSocket)
  online.value = new Map()
  vi.spyOn(usePresence(), 'of').mockImplementation(() => ({ count: online.value.size, online: online.value, away: new Set() }))
  asked = []
  vi.stubGlobal('fetch', async (address: string, { method = 'GET' }: RequestInit = {}) => {
    asked.push(`${method} ${String(address).replace(/^.*\/api/, '')}`)
    if (method === 'PATCH') return new Promise<Response>((resolve) => (handedOver = resolve))
    if (method === 'DELETE') return new Response(null, { status: 204 })
    return Response.json(String(address).includes('/members') ? MEMBERS : { rooms: [ROOM] })
  })
  useRooms().put(ROOM)
  app = createApp({
    setup() {
      useMembers(() => useRooms().get('team')!, ref('')).reload()
      return () => null
    },
  })
  app.mount(document.createElement('div'))
  await vi.advanceTimersByTimeAsync(0)
  asked = []
})

afterEach(() => {
  app.unmount()
  vi.unstubAllGlobals()
  vi.restoreAllMocks()
  vi.useRealTimers()
})

const lists = () => asked.filter((call) => call.startsWith('GET /rooms/team/members'))

test('a change of the room has its members read anew', async () => {
  server.changed()
  await vi.advanceTimersByTimeAsync(REFRESHED)
  expect(lists()).toHaveLength(1)
})

test('members are not asked for while their room is being left', async () => {
  const leaving = useRooms().leave('team', 1, false, 2)
  server.changed()
  await vi.advanceTimersByTimeAsync(REFRESHED)
  handedOver(Response.json({ id: 2, name: 'bob', role: 'owner' }))
  await leaving
  await vi.advanceTimersByTimeAsync(REFRESHED)
  expect(asked).toContain('DELETE /rooms/team/members/1')
  expect(lists()).toEqual([])
})

test('a person who comes online unlisted is asked about, but not while the room is being left', async () => {
  online.value = new Map([[3, { id: 3, name: 'eve' }]])
  await vi.advanceTimersByTimeAsync(0)
  expect(lists()).toEqual(['GET /rooms/team/members?user=3&limit=100'])
  const leaving = useRooms().leave('team', 1, false, 2)
  online.value = new Map([[4, { id: 4, name: 'zoe' }]])
  await vi.advanceTimersByTimeAsync(0)
  handedOver(Response.json({ id: 2, name: 'bob', role: 'owner' }))
  await leaving
  expect(lists()).toHaveLength(1)
})

test('members are read once leaving has failed', async () => {
  const leaving = useRooms().leave('team', 1, false, 2)
  server.changed()
  await vi.advanceTimersByTimeAsync(REFRESHED)
  expect(lists()).toEqual([])
  handedOver(Response.json({ title: 'No', detail: 'Not now.', status: 503, code: 'unavailable' }, { status: 503 }))
  await expect(leaving).rejects.toThrow('Not now.')
  await vi.advanceTimersByTimeAsync(REFRESHED)
  expect(lists()).toHaveLength(1)
})
