import { defineStore } from 'pinia'
import { shallowReactive } from 'vue'
import { api } from '../api'
import type { HistoryPage, LogEvent } from '../protocol'
import type { ChatSocket, OutgoingFrame } from '../socket'
import { explained } from '../ui/reasons'
import { useConnection } from './connection'
import { placesOf } from './places'
import { useSession } from './session'
import { shown, withEvents, withName, withNewer, withOlder, withoutKinds, withoutPast, withPlace, type Segments } from './segments'
import { applyEvents, type Messages } from './timeline'

export interface Timeline extends Segments {
  ready: boolean
  loading: 'older' | 'newer' | null
  /** why the last page did not come, and of which end */
  failure: { end: 'older' | 'newer'; message: string } | null
  /** stored by the server, its event not here yet */
  awaitingEvent: readonly (OutgoingFrame & { seq: number })[]
}

type Page = { messages: Messages; more: boolean }

/** Rooms that stay joined after they were left for another one, so that going back is instant. */
const KEEP_JOINED = 6
const PAGE = 50
/** a page around a place that is not loaded, and the part of it above that place */
const PLACE_PAGE = 120
const ABOVE_PLACE = 40

/** The conversations that are joined on the socket. */
export const useTimelines = defineStore('timelines', () => {
  const timelines = shallowReactive(new Map<string, Timeline>())

  function get(room: string): Timeline | undefined {
    return timelines.get(room)
  }

  /** Joins the room, and leaves the least recently opened one. */
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
    const first = timeline && shown(timeline)[0]
    if (!timeline || !first || !timeline.more) return
    await load(timeline, 'older', async () => {
      const page = await history(room, { before: first.seq, limit: PAGE })
      // A fresh start in the meantime has made this page the wrong one.
      if (shown(timeline)[0] === first) Object.assign(timeline, withOlder(timeline, page.messages, page.more && page.messages.length > 0))
    })
  }

  /** Goes on below a part that does not reach down to the latest messages. */
  async function loadNewer(room: string): Promise<void> {
    const timeline = timelines.get(room)
    const last = timeline?.past?.at(-1)
    if (!timeline || !last) return
    await load(timeline, 'newer', async () => {
      const next = timeline.messages[0]
      const page = await history(room, { after: last.seq, limit: PAGE })
      if (timeline.past?.at(-1) !== last) return
      Object.assign(timeline, withNewer(timeline, page.messages, !page.more && timeline.messages[0] === next))
    })
  }

  /** Loads the messages around `seq` unless they are there; false when they could not be had. */
  async function loadPlace(room: string, seq: number): Promise<boolean> {
    const timeline = timelines.get(room)
    if (!timeline) return false
    if (seq > (timeline.past?.at(-1)?.seq ?? Infinity)) toLatest(room)
    const first = shown(timeline)[0]
    if (!timeline.more || (first && first.seq <= seq)) return true
    const after = Math.max(0, seq - 1 - ABOVE_PLACE)
    return load(timeline, 'older', async () => {
      const next = timeline.messages[0]
      let page = await history(room, { after, limit: PLACE_PAGE })
      // Pages are bounded by their size, too: long messages above the place may fill one.
      if (page.more && (page.messages.at(-1)?.seq ?? seq) < seq) page = await history(room, { after: seq - 1, limit: PLACE_PAGE })
      if (timeline.messages[0] === next) Object.assign(timeline, withPlace(timeline, page.messages, after > 0, !page.more))
    })
  }

  function toLatest(room: string): void {
    const timeline = timelines.get(room)
    if (timeline) Object.assign(timeline, withoutPast(timeline))
  }

  /** One page at a time for each room; says whether it came. */
  async function load(timeline: Timeline, end: 'older' | 'newer', fetchPage: () => Promise<void>): Promise<boolean> {
    if (timeline.loading) return false
    timeline.loading = end
    timeline.failure = null
    try {
      await fetchPage()
      return true
    } catch (error) {
      timeline.failure = { end, message: explained(error) }
      return false
    } finally {
      timeline.loading = null
    }
  }

  async function history(room: string, from: { before: number; limit: number } | { after: number; limit: number }): Promise<Page> {
    const { chat, isOpen } = useConnection()
    if (!isOpen) return api.messages(room, from)
    return (await chat().request({ type: 'history', room, ...from })) as HistoryPage
  }

  /** Applies events before they come over the socket: applying them again then changes nothing. */
  function apply(room: string, events: readonly LogEvent[]): void {
    const timeline = timelines.get(room)
    if (timeline) Object.assign(timeline, withEvents(timeline, events, placesOf(useSession().me?.id ?? 0).get(room)?.seq ?? null))
  }

  function hide(kinds: ReadonlySet<string>): void {
    for (const timeline of timelines.values()) Object.assign(timeline, withoutKinds(timeline, kinds))
  }

  /** Reads the joined rooms again: events of a feature that was off came without their fields. */
  function refresh(): void {
    const chat = useConnection().chat()
    for (const room of timelines.keys()) {
      chat.leave(room)
      chat.join(room)
    }
  }

  function listen(socket: ChatSocket, me: number): void {
    socket.on('snapshot', ({ room, events, head, more }) => {
      const timeline = timelines.get(room)
      if (!timeline) return
      const again = timeline.ready
      Object.assign(timeline, { messages: applyEvents([], events), past: null, more, ready: true })
      settle(timeline, head)
      // After a long absence: a person who reads far above stays there.
      const place = placesOf(me).get(room)
      if (again && place) void loadPlace(room, place.seq)
    })
    socket.on('events', ({ room, events }) => {
      const timeline = timelines.get(room)
      if (!timeline) return
      Object.assign(timeline, withEvents(timeline, events, placesOf(me).get(room)?.seq ?? null))
      settle(timeline, events.at(-1)!.seq)
    })
    socket.on('sent', ({ frame, sent }) => {
      const timeline = timelines.get(sent.room)
      if (!timeline || (socket.highest(sent.room) ?? 0) >= sent.seq) return
      timeline.awaitingEvent = [...timeline.awaitingEvent, { ...frame, seq: sent.seq }]
    })
    socket.on('lost', ({ room }) => timelines.delete(room))
    socket.on('room.left', ({ room }) => timelines.delete(room))
    socket.on('user.updated', ({ user }) => {
      for (const timeline of timelines.values()) Object.assign(timeline, withName(timeline, user))
    })
  }

  return { get, enter, drop, loadOlder, loadNewer, loadPlace, toLatest, apply, hide, refresh, listen }
})

function settle(timeline: Timeline, highest: number): void {
  if (timeline.awaitingEvent.length) timeline.awaitingEvent = timeline.awaitingEvent.filter(({ seq }) => seq > highest)
}

function empty(): Timeline {
  return shallowReactive({
    messages: [],
    past: null,
    more: false,
    ready: false,
    loading: null,
    failure: null,
    awaitingEvent: [],
  })
}
