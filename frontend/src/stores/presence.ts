import { defineStore } from 'pinia'
import { shallowReactive } from 'vue'
import type { Person } from '../protocol'
import type { ChatSocket } from '../socket'
import { useConnection } from './connection'

export interface RoomPresence {
  /** also counts people beyond those who are named */
  count: number
  online: ReadonlyMap<number, Person>
  typing: ReadonlyMap<number, { name: string; until: number }>
}

const TYPING_LASTS = 5_000
const EMPTY: RoomPresence = { count: 0, online: new Map(), typing: new Map() }

/** Who is there and who is typing, in the rooms that are joined. */
export const usePresence = defineStore('presence', () => {
  const connection = useConnection()
  const rooms = shallowReactive(new Map<string, RoomPresence>())

  /** Without a connection nobody is known to be there. */
  function of(room: string): RoomPresence {
    return (connection.isLive && rooms.get(room)) || EMPTY
  }

  /** Seen online in any joined room. */
  function isOnline(id: number): boolean {
    return connection.isLive && [...rooms.values()].some(({ online }) => online.has(id))
  }

  function change(room: string, changes: Partial<RoomPresence>): void {
    rooms.set(room, { ...(rooms.get(room) ?? EMPTY), ...changes })
  }

  function typed(room: string, person: Person): void {
    const until = Date.now() + TYPING_LASTS
    change(room, { typing: new Map(of(room).typing).set(person.id, { name: person.name, until }) })
    setTimeout(() => {
      if (of(room).typing.get(person.id)?.until === until) stopped(room, [person.id])
    }, TYPING_LASTS)
  }

  function stopped(room: string, ids: number[]): void {
    if (!ids.some((id) => of(room).typing.has(id))) return
    change(room, { typing: new Map([...of(room).typing].filter(([id]) => !ids.includes(id))) })
  }

  function listen(socket: ChatSocket, me: number): void {
    socket.on('joined', ({ room, online_count, online }) =>
      change(room, { count: online_count, online: new Map(online.map((person) => [person.id, person])) }),
    )
    socket.on('presence', ({ room, online_count, joined, left }) => {
      const online = new Map(of(room).online)
      for (const person of left) online.delete(person.id)
      for (const person of joined) online.set(person.id, person)
      change(room, { count: online_count, online })
      stopped(room, left.map(({ id }) => id))
    })
    socket.on('typing', ({ room, user }) => {
      if (user.id !== me) typed(room, user)
    })
    socket.on('events', ({ room, events }) => stopped(room, events.map(({ from }) => from.id)))
  }

  return { of, isOnline, listen }
})
