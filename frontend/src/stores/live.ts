import { defineStore } from 'pinia'
import { shallowReactive } from 'vue'
import type { LiveFrame, LiveValue, Person } from '../protocol'
import type { ChatSocket } from '../socket'
import { noteServerTime, serverNow } from './clock'
import { renamedIn } from './names'

export type LiveValues = ReadonlyMap<string, LiveValue>

/** keys of one topic in one room; the oldest value goes first */
const MAX_KEYS = 2_000
const EXPIRY_CHECK_MIN_MS = 200
const NONE: LiveValues = new Map()

/** The newest value of each key, by room and topic. Values past their time are removed. */
export const useLiveValues = defineStore('live', () => {
  const topics = shallowReactive(new Map<string, LiveValues>())
  /** with ended ones (null), which are newer than a late value */
  const known = new Map<string, Map<string, LiveValue>>()
  let timer: ReturnType<typeof setTimeout> | undefined

  function of(room: string, topic: string): LiveValues {
    return topics.get(name(room, topic)) ?? NONE
  }

  function take({ room, topic, values }: LiveFrame): void {
    const place = name(room, topic)
    const all = known.get(place) ?? new Map<string, LiveValue>()
    known.set(place, all)
    for (const value of values) {
      noteServerTime(value.at)
      const before = all.get(value.key)
      if (before && Date.parse(before.at) > Date.parse(value.at)) continue
      // Written anew, so that the oldest is the first.
      all.delete(value.key)
      all.set(value.key, value)
    }
    for (const key of all.keys()) {
      if (all.size <= MAX_KEYS) break
      all.delete(key)
    }
    show(place, all)
    removeExpired()
  }

  /** Removes expired values; runs again at the next expiry. */
  function removeExpired(): void {
    clearTimeout(timer)
    const now = serverNow()
    let next = Infinity
    for (const [place, all] of known) {
      const expired = [...all].filter(([, { expires }]) => Date.parse(expires) <= now)
      for (const [key] of expired) all.delete(key)
      if (expired.length) show(place, all)
      for (const { expires } of all.values()) next = Math.min(next, Date.parse(expires) - now)
    }
    if (next < Infinity) timer = setTimeout(removeExpired, Math.min(Math.max(EXPIRY_CHECK_MIN_MS, next), 2 ** 31 - 1))
  }

  function show(place: string, all: Map<string, LiveValue>): void {
    const shown = new Map([...all].filter(([, { value }]) => value !== null))
    if (shown.size) topics.set(place, shown)
    else topics.delete(place)
    if (!all.size) known.delete(place)
  }

  function rename(person: Person): void {
    for (const [place, all] of known) {
      const values = [...all].map(([key, value]) => [key, { ...value, from: renamedIn(value.from, person) }] as const)
      if (!values.some(([key, { from }]) => from !== all.get(key)!.from)) continue
      for (const [key, value] of values) all.set(key, value)
      show(place, all)
    }
  }

  function forget(room: string): void {
    for (const place of known.keys()) {
      if (!place.startsWith(`${room}/`)) continue
      known.delete(place)
      topics.delete(place)
    }
  }

  /** `topics`: the topics in use; others are not kept. */
  function listen(socket: ChatSocket, wanted: ReadonlySet<string>): void {
    socket.on('live', (frame) => {
      if (wanted.has(frame.topic)) take(frame)
    })
    socket.on('user.updated', ({ user }) => rename(user))
    socket.on('lost', ({ room }) => forget(room))
    socket.on('room.left', ({ room }) => forget(room))
  }

  return { of, take, listen }
})

/** A slug holds no slash. */
function name(room: string, topic: string): string {
  return `${room}/${topic}`
}
