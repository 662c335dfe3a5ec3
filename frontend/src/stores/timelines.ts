import { defineStore } from 'pinia'
import { shallowReactive } from 'vue'
import { api } from '../api'
import type { HistoryPage } from '../protocol'
import type { ChatSocket, OutgoingMessage } from '../socket'
import { useConnection } from './connection'
import { applyEvents, prepend, type Messages } from './timeline'

export interface Timeline {
  messages: Messages
  /** older messages exist on the server */
  more: boolean
  ready: boolean
  loadingOlder: boolean
  failure: string
  /** stored by the server, its event not here yet */
  settling: readonly (OutgoingMessage & { seq: number })[]
}

/** Rooms that stay joined after they were left for another one, so that going back is instant. */
const KEEP_JOINED = 6
const PAGE = 50
/** Longer timelines give up their oldest messages; scrolling back fetches them again. */
const MAX_MESSAGES = 12_000

/** The conversations that are joined on the socket. */
export const useTimelines = defineStore('timelines', () => {
  const timelines = shallowReactive(new Map<string, Timeline>())

  function get(room: string): Timeline | undefined {
    return timelines.get(room)
  }

  /** Joins the room, and lets go of the one that was looked at the longest time ago. */
  function enter(room: string): void {
    const known = timelines.get(room)
    timelines.delete(room)
    timelines.set(room, known ?? empty())
    useConnection().chat().join(room)
    for (const old of [...timelines.keys()].slice(0, -KEEP_JOINED)) drop(old)
  }

  function drop(room: string): void {
    timelines.delete(room)
    useConnection().chat().leave(room)
  }

  async function loadOlder(room: string): Promise<void> {
    const timeline = timelines.get(room)
    const first = timeline?.messages[0]
    if (!timeline || !first || !timeline.more || timeline.loadingOlder) return
    timeline.loadingOlder = true
    timeline.failure = ''
    try {
      const page = await older(room, first.seq)
      // A fresh start in the meantime has made this page the wrong one.
      if (timeline.messages[0] !== first) return
      timeline.messages = prepend(timeline.messages, page.messages)
      timeline.more = page.more && page.messages.length > 0
    } catch (error) {
      timeline.failure = (error as Error).message
    } finally {
      timeline.loadingOlder = false
    }
  }

  async function older(room: string, before: number): Promise<{ messages: Messages; more: boolean }> {
    const { chat, isOpen } = useConnection()
    if (!isOpen) return api.messages(room, before, PAGE)
    return (await chat().request({ type: 'history', room, before, limit: PAGE })) as HistoryPage
  }

  function listen(socket: ChatSocket): void {
    socket.on('snapshot', ({ room, events, head, more }) => {
      const timeline = timelines.get(room)
      if (!timeline) return
      timeline.messages = applyEvents([], events)
      timeline.more = more
      timeline.ready = true
      settle(timeline, head)
    })
    socket.on('events', ({ room, events }) => {
      const timeline = timelines.get(room)
      if (!timeline) return
      const messages = applyEvents(timeline.messages, events)
      timeline.messages = messages.length > MAX_MESSAGES ? messages.slice(-MAX_MESSAGES / 2) : messages
      if (messages.length > MAX_MESSAGES) timeline.more = true
      settle(timeline, events.at(-1)!.seq)
    })
    socket.on('sent', ({ message, sent }) => {
      const timeline = timelines.get(sent.room)
      if (!timeline || (socket.highest(sent.room) ?? 0) >= sent.seq) return
      timeline.settling = [...timeline.settling, { ...message, seq: sent.seq }]
    })
    socket.on('lost', ({ room }) => timelines.delete(room))
  }

  return { get, enter, drop, loadOlder, listen }
})

function settle(timeline: Timeline, highest: number): void {
  if (timeline.settling.length) timeline.settling = timeline.settling.filter(({ seq }) => seq > highest)
}

function empty(): Timeline {
  return shallowReactive({
    messages: [],
    more: false,
    ready: false,
    loadingOlder: false,
    failure: '',
    settling: [],
  })
}
