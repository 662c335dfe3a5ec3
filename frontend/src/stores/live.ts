import { defineStore } from 'pinia'
import { shallowReactive } from 'vue'
import type { LiveFrame, LiveValue } from '../protocol'
import type { ChatSocket } from '../socket'

export type LiveValues = ReadonlyMap<string, LiveValue>

/** keys of one topic in one room; the oldest value goes first */
const MAX_KEYS = 2_000
const LOOK_MIN_MS = 200
const NONE: LiveValues = new Map()

/** The newest value of each key, by room and topic. Values past their time are removed. */
export const useLiveValues = defineStore('live', () => {
  const topics = shallowReactive(new Map<string, LiveValues>())
  let timer: ReturnType<typeof setTimeout> | undefined
  /** milliseconds that this device's clock is ahead of the server's, at most: values are older than they look otherwise */
  let ahead = Infinity

  function of(room: string, topic: string): LiveValues {
    return topics.get(name(room, topic)) ?? NONE
  }

  function take({ room, topic, values }: LiveFrame): void {
    const now = Date.now()
    const known = new Map(of(room, topic))
    for (const value of values) {
      ahead = Math.min(ahead, now - Date.parse(value.at))
      const before = known.get(value.key)
      if (before && Date.parse(before.at) > Date.parse(value.at)) continue
      // Written anew, so that the oldest is the first.
      known.delete(value.key)
      known.set(value.key, value)
    }
    for (const key of known.keys()) {
      if (known.size <= MAX_KEYS) break
      known.delete(key)
    }
    put(name(room, topic), known)
    look()
  }

  /** Removes what has expired, and comes back when the next value does. */
  function look(): void {
    clearTimeout(timer)
    const now = Date.now() - ahead
    let next = Infinity
    for (const [topic, values] of topics) {
      const left = new Map([...values].filter(([, { expires, value }]) => value !== null && Date.parse(expires) > now))
      if (left.size < values.size) put(topic, left)
      for (const { expires } of left.values()) next = Math.min(next, Date.parse(expires) - now)
    }
    if (next < Infinity) timer = setTimeout(look, Math.min(Math.max(LOOK_MIN_MS, next), 2 ** 31 - 1))
  }

  function put(topic: string, values: LiveValues): void {
    if (values.size) topics.set(topic, values)
    else topics.delete(topic)
  }

  function forget(room: string): void {
    for (const topic of topics.keys()) if (topic.startsWith(`${room}/`)) topics.delete(topic)
  }

  /** `topics`: those that somebody uses; others are not kept. */
  function listen(socket: ChatSocket, wanted: ReadonlySet<string>): void {
    socket.on('live', (frame) => {
      if (wanted.has(frame.topic)) take(frame)
    })
    socket.on('lost', ({ room }) => forget(room))
    socket.on('room.left', ({ room }) => forget(room))
  }

  return { of, take, listen }
})

/** A slug holds no slash. */
function name(room: string, topic: string): string {
  return `${room}/${topic}`
}
