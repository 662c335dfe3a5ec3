import { defineStore } from 'pinia'
import { computed, ref, shallowReactive, shallowRef, triggerRef } from 'vue'
import { api, ApiError, type Room } from '../api'
import { compare } from '../i18n'
import type { LogEvent, RoomLeft } from '../protocol'
import type { ChatSocket } from '../socket'
import { fullJitter } from '../socket/backoff'
import { shownTitle } from '../ui/text'
import { serverNow } from './clock'
import { useConnection } from './connection'
import { isOnScreen } from './screen'
import { isListed } from './timeline'

const RELOAD_AFTER = 400
/** rooms that the server lets one leave with one call */
const LEAVE_BATCH = 500
/** milliseconds between two attempts after a failure, with as much again by chance, growing */
const RETRY_AFTER = 1_000

export interface EndedMembership {
  title: string
  reason: RoomLeft['reason']
}

/** among `mentions`: everybody in the room */
const EVERYBODY = 0

/** The room list: what there is, where I am a member, what is unread. */
export const useRooms = defineStore('rooms', () => {
  const bySlug = shallowRef(new Map<string, Room>())
  const loaded = ref(false)
  const failure = ref('')
  /** rooms that I was a member of until a moment ago, and how that ended */
  const ended = shallowReactive(new Map<string, EndedMembership>())
  /** rooms that were opened and that the list may not reach */
  const found = new Set<string>()
  /** rooms whose membership is being ended */
  const leaving = new Set<string>()
  /** rooms that are being looked for */
  const looking = shallowReactive(new Set<string>())
  /** by room, when I last came into it or left it; counted in `clock`, as lists are when they are asked for */
  const moved = new Map<string, number>()
  let clock = 0
  let answered = 0
  let reloading: ReturnType<typeof setTimeout> | undefined
  let failures = 0

  const all = computed(() => [...bySlug.value.values()])
  const mine = computed(() => all.value.filter(({ member, kind }) => member && kind !== 'direct').sort(byActivity))
  const direct = computed(() => all.value.filter(({ kind }) => kind === 'direct').sort(byActivity))
  const open = computed(() => all.value.filter(({ member, kind }) => !member && kind === 'public').sort(byTitle))
  const totalMentions = computed(() => all.value.reduce((sum, room) => sum + (room.member ? (room.mentions ?? 0) : 0), 0))
  const totalUnread = computed(() => all.value.reduce((sum, room) => sum + unreadIn(room), 0))

  async function load(): Promise<void> {
    const asked = ++clock
    try {
      const rooms = await api.myRooms()
      // What was asked for later has been answered.
      if (asked < answered) return
      answered = asked
      const listed = new Map(rooms.map((room) => [room.slug, withLocalMarks(room, asked)]))
      for (const slug of found) {
        const room = bySlug.value.get(slug)
        if (room && !listed.has(slug)) listed.set(slug, room)
      }
      bySlug.value = listed
      failure.value = ''
      failures = 0
      loaded.value = true
    } catch (error) {
      failure.value = (error as Error).message
      if (worthAnotherTry(error) && useConnection().isOpen) again()
    }
  }

  /** A whole office reconnects at once: the server delays some, and they must still read the missed changes. */
  function again(): void {
    clearTimeout(reloading)
    reloading = setTimeout(() => void load(), RETRY_AFTER + fullJitter(failures++, Math.random, 2 * RETRY_AFTER))
  }

  /** The server's list, asked for at `asked`, can be a moment older than the socket's frames. */
  function withLocalMarks(room: Room, asked: number): Room {
    const known = bySlug.value.get(room.slug)
    // Servers before `unread` counted every event.
    const counted = { ...room, unread: room.unread ?? Math.max(0, room.head - room.upto) }
    if (!known) return counted
    const membership = (moved.get(room.slug) ?? 0) >= asked ? { member: known.member, role: known.role } : {}
    const newer = known.head > room.head || known.upto > room.upto
    const marks = { head: Math.max(room.head, known.head), upto: Math.max(room.upto, known.upto), unread: newer ? known.unread : counted.unread, mentions: (newer ? known.mentions : room.mentions) ?? 0 }
    return { ...room, ...membership, ...marks }
  }

  function reloadSoon(): void {
    clearTimeout(reloading)
    reloading = setTimeout(() => void load(), RELOAD_AFTER * (1 + Math.random()))
  }

  /** Looks for a room that the list does not hold: it shows the first public ones only. */
  async function find(slug: string): Promise<void> {
    if (looking.has(slug)) return
    looking.add(slug)
    try {
      const room = await api.room(slug)
      if (room) {
        found.add(slug)
        put(room)
      }
    } catch {
      // It stays unknown until the list is loaded again.
    } finally {
      looking.delete(slug)
    }
  }

  /** Reads a room again: my role in it may be another. */
  async function refresh(slug: string): Promise<void> {
    try {
      const room = await api.room(slug)
      // A room that is gone is taken out by `room.left`.
      if (room) put(room)
    } catch {
      // The list is loaded again with the next connection.
    }
  }

  function get(slug: string): Room | undefined {
    return bySlug.value.get(slug)
  }

  function put(room: Room): void {
    bySlug.value.set(room.slug, withLocalMarks(room, Infinity))
    moved.set(room.slug, clock)
    triggerRef(bySlug)
  }

  function change(slug: string, changes: Partial<Room>): void {
    const room = bySlug.value.get(slug)
    if (changes.member !== undefined) moved.set(slug, clock)
    if (!room || Object.entries(changes).every(([name, value]) => room[name as keyof Room] === value)) return
    bySlug.value.set(slug, { ...room, ...changes })
    triggerRef(bySlug)
  }

  /** The log of a room has grown. Only events with a row of their own make it unread. */
  function grown(slug: string, events: readonly LogEvent[]): void {
    const room = bySlug.value.get(slug)
    const fresh = events.filter(({ seq }) => seq > (room?.head ?? Infinity))
    if (!room || !fresh.length) return
    const counting = fresh.filter(isListed)
    const mentions = (room.mentions ?? 0) + fresh.filter((event) => names(event, self)).length
    change(slug, { head: fresh.at(-1)!.seq, unread: room.unread + counting.length, mentions, last_at: counting.at(-1)?.at ?? room.last_at })
  }

  /** Everything up to `seq` has been seen, and `left` messages above it have not; taken back where the server did not hear of it. */
  async function read(slug: string, seq: number, left?: number): Promise<void> {
    const room = bySlug.value.get(slug)
    if (!room || seq <= room.upto) return
    change(slug, seq >= room.head ? { upto: seq, unread: 0, mentions: 0 } : { upto: seq, unread: left ?? room.unread })
    try {
      await useConnection().chat().request({ type: 'read', room: slug, upto: seq })
    } catch {
      return change(slug, { upto: room.upto, unread: room.unread, mentions: room.mentions ?? 0 })
    }
    // Which of the mentions are left only the server can say.
    if (seq < room.head && room.mentions) reloadSoon()
  }

  /** One room after the other: a flood of frames would be refused. */
  async function readAll(): Promise<void> {
    for (const { slug, head } of all.value.filter(unreadIn)) await read(slug, head)
  }

  /** `confirm`: also as the last member of a private room. */
  /** `heir`, if any, owns the room from then on. */
  async function leave(slug: string, me: number, confirm: boolean, heir: number | null = null): Promise<void> {
    leaving.add(slug)
    try {
      if (heir !== null) await api.changeRole(slug, heir, 'owner')
      await api.removeMember(slug, me, confirm)
      gone(slug)
    } finally {
      leaving.delete(slug)
    }
    reloadSoon()
  }

  /** Whether the server is being asked to end my membership: what only members may read is refused any moment. */
  function isLeaving(slug: string): boolean {
    return leaving.has(slug)
  }

  /** Leaves many rooms, batch by batch. Returns the private ones that were kept, for I am their last member. */
  async function leaveMany(which: string[] | { added_by: number }, confirm: boolean): Promise<{ left: number; kept: string[] }> {
    const kept = new Set<string>()
    let left = 0
    const batches = Array.isArray(which)
      ? Array.from({ length: Math.ceil(which.length / LEAVE_BATCH) }, (_, index) => ({ rooms: which.slice(index * LEAVE_BATCH, (index + 1) * LEAVE_BATCH) }))
      : [which]
    for (const batch of batches) {
      let more = true
      while (more) {
        const done = await api.leaveRooms(batch, confirm)
        for (const slug of done.left) gone(slug)
        // Direct rooms are kept, too; they are not offered.
        for (const slug of done.kept) if (get(slug)?.kind !== 'direct') kept.add(slug)
        left += done.left.length
        more = done.more && done.left.length > 0
      }
    }
    if (left) reloadSoon()
    return { left, kept: [...kept] }
  }

  /** I left it: at once, before the socket's frame. */
  function gone(slug: string): void {
    useConnection().chat().leave(slug)
    change(slug, { member: false, role: null })
  }

  let self = 0

  function listen(socket: ChatSocket, me: number): void {
    // While there was no connection, anything may have happened in rooms that are not joined.
    socket.on('hello', () => void load())
    self = me
    socket.on('unread', ({ room, head, upto, count, mentions }) => {
      const known = get(room)
      if (!known) return reloadSoon()
      const changes: Partial<Room> = { head: Math.max(head, known.head), upto: Math.max(upto, known.upto) }
      if (head >= known.head && upto >= known.upto) Object.assign(changes, { unread: count, mentions })
      change(room, count > known.unread ? { ...changes, last_at: new Date(serverNow()).toISOString() } : changes)
    })
    socket.on('read', ({ room, user, upto }) => {
      const known = get(room)
      if (user.id !== me || !known || upto <= known.upto) return
      change(room, upto >= known.head ? { upto, unread: 0, mentions: 0 } : { upto })
      // What is left above the mark only the server can count.
      if (upto < known.head) reloadSoon()
    })
    socket.on('events', ({ room, events }) => grown(room, events))
    socket.on('joined', ({ room, head, member_count }) => {
      const known = get(room)
      if (!known) return loaded.value ? void find(room) : reloadSoon()
      change(room, { head: Math.max(head, known.head), member_count, member: true, role: known.role ?? 'member' })
    })
    socket.on('presence', ({ room, online_count }) => {
      // Only members are in a room: a new person has joined it.
      if (online_count > (get(room)?.member_count ?? Infinity)) reloadSoon()
    })
    socket.on('room.added', ({ room, title, kind, private: hidden, head, upto }) => {
      const details = { title, kind, private: hidden, head, upto, unread: Math.max(0, head - upto) }
      ended.delete(room)
      const known = get(room) ?? { slug: room, member_count: 1, peer: null, role: 'member', last_at: null }
      if (details.kind !== 'direct' || known.peer) put({ ...known, ...details, member: true })
      reloadSoon()
    })
    socket.on('room.updated', ({ room, title, kind, private: hidden }) => change(room, { title, kind, private: hidden }))
    socket.on('room.left', ({ room, reason }) => {
      const known = get(room)
      ended.set(room, { title: known ? titleOf(known) : room, reason })
      if (known?.kind === 'public' && reason !== 'deleted') return change(room, { member: false, role: null })
      found.delete(room)
      bySlug.value.delete(room)
      triggerRef(bySlug)
    })
    socket.on('user.updated', ({ user }) => {
      for (const room of all.value) if (room.peer?.id === user.id) change(room.slug, { peer: user })
    })
    socket.on('lost', ({ room }) => {
      change(room, { member: false })
      reloadSoon()
    })
  }

  return { all, mine, direct, open, loaded, failure, totalMentions, totalUnread, ended, looking, load, find, refresh, reloadSoon, get, put, change, read, readAll, leave, isLeaving, leaveMany, listen }
})

/** No answer, too many at once, or a server in trouble. */
function worthAnotherTry(error: unknown): boolean {
  return error instanceof ApiError && (error.status === 0 || error.status === 429 || error.status >= 500)
}

/** Whether a message of another person names this person, or everybody. */
export function names(event: LogEvent, user: number): boolean {
  if (event.type !== 'message' || event.from.id === user) return false
  return event.mentions?.some((id) => id === user || id === EVERYBODY) ?? false
}

/** None where the latest message is in front of the person: it is read in a moment. */
export function unreadIn(room: Room): number {
  return room.member && !isOnScreen(room.slug) ? room.unread : 0
}

export function titleOf(room: Room): string {
  return room.kind === 'direct' ? (room.peer?.name ?? room.title) : shownTitle(room.title) || room.slug
}

function byActivity(a: Room, b: Room): number {
  return (b.last_at ?? '').localeCompare(a.last_at ?? '') || byTitle(a, b)
}

function byTitle(a: Room, b: Room): number {
  return compare(titleOf(a), titleOf(b))
}
