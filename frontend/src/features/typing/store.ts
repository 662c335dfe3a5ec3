import { defineStore } from 'pinia'
import { shallowReactive } from 'vue'
import type { Person } from '../../protocol'
import type { ChatSocket } from '../../socket'
import { useConnection } from '../../stores/connection'

type Typists = ReadonlyMap<number, { name: string; until: number }>

const TYPING_LASTS = 5_000
/** milliseconds between two frames that say that I am typing */
const TYPING_EVERY = 3_000
const NOBODY: Typists = new Map()

/** Who is typing in the rooms that are joined. */
export const useTyping = defineStore('typing', () => {
  const connection = useConnection()
  const rooms = shallowReactive(new Map<string, Typists>())
  const told = new Map<string, number>()

  /** Without a connection the list is empty. */
  function of(room: string): Typists {
    return (connection.isLive && rooms.get(room)) || NOBODY
  }

  function typed(room: string, person: Person): void {
    const until = Date.now() + TYPING_LASTS
    rooms.set(room, new Map(of(room)).set(person.id, { name: person.name, until }))
    setTimeout(() => {
      if (of(room).get(person.id)?.until === until) stopped(room, [person.id])
    }, TYPING_LASTS)
  }

  function stopped(room: string, ids: number[]): void {
    if (!ids.some((id) => of(room).has(id))) return
    rooms.set(room, new Map([...of(room)].filter(([id]) => !ids.includes(id))))
  }

  /** Tells the room that I am typing, at most once in TYPING_EVERY. */
  function tell(room: string): void {
    if (Date.now() - (told.get(room) ?? 0) < TYPING_EVERY) return
    told.set(room, Date.now())
    connection.chat().post({ type: 'typing', room })
  }

  function listen(socket: ChatSocket, me: number): void {
    socket.on('typing', ({ room, user }) => {
      if (user.id !== me) typed(room, user)
    })
    socket.on('presence', ({ room, left }) => stopped(room, left.map(({ id }) => id)))
    socket.on('events', ({ room, events }) => stopped(room, events.map(({ from }) => from.id)))
  }

  return { of, tell, listen }
})
