import { defineStore } from 'pinia'
import { shallowReactive } from 'vue'
import type { Person } from '../protocol'
import type { ChatSocket } from '../socket'
import { useConnection } from './connection'

export interface RoomPresence {
  /** also counts people beyond those who are named */
  count: number
  online: ReadonlyMap<number, Person>
  /** those of them who are away */
  away: ReadonlySet<number>
}

/** Null: not known, for want of a connection or because the room is too large to name everybody. */
export type PersonState = 'online' | 'away' | 'offline' | null

/** Above it the server sends counts only, so the names become stale. */
const NAMED_UP_TO = 200
const EMPTY: RoomPresence = { count: 0, online: new Map(), away: new Set() }

/** Who is there, in the rooms that are joined. */
export const usePresence = defineStore('presence', () => {
  const connection = useConnection()
  const rooms = shallowReactive(new Map<string, RoomPresence>())

  /** Without a connection the list is empty. */
  function of(room: string): RoomPresence {
    return (connection.isLive && rooms.get(room)) || EMPTY
  }

  function stateIn(room: string, id: number): PersonState {
    const known = connection.isLive && rooms.get(room)
    if (!known) return null
    if (known.online.has(id)) return known.away.has(id) ? 'away' : 'online'
    return known.online.size >= known.count ? 'offline' : null
  }

  /** By any joined room: who is online is so in all rooms of theirs. */
  function stateOf(id: number): PersonState {
    for (const room of connection.isLive ? rooms.keys() : []) {
      const state = stateIn(room, id)
      if (state === 'online' || state === 'away') return state
    }
    return null
  }

  function change(room: string, changes: Partial<RoomPresence>): void {
    rooms.set(room, { ...(rooms.get(room) ?? EMPTY), ...changes })
  }

  function listen(socket: ChatSocket): void {
    socket.on('joined', ({ room, online_count, online, away }) =>
      change(room, { count: online_count, online: new Map(online.map((person) => [person.id, person])), away: new Set(away) }),
    )
    socket.on('presence', ({ room, online_count, joined, left, away = [], back = [] }) => {
      const crowd = online_count > NAMED_UP_TO
      const online = new Map(crowd ? [] : of(room).online)
      const absent = new Set(crowd ? [] : of(room).away)
      for (const { id } of left) online.delete(id)
      for (const person of joined) online.set(person.id, person)
      for (const id of [...left, ...joined].map(({ id }) => id).concat(back)) absent.delete(id)
      for (const id of away) absent.add(id)
      change(room, { count: online_count, online, away: absent })
    })
  }

  return { of, stateIn, stateOf, listen }
})
