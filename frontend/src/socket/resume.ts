/**
 * The logs of the joined rooms: every event once, in `seq` order, across any number of connections.
 *
 * A room remembers the highest `seq` it has handed on and joins again with it after each disconnect, missing event or `gap`.
 * The room that was joined last is the one on screen and goes first; on a slow link the others wait for it.
 */
import type { LogEvent, RoomJoined } from '../protocol'
import { fullJitter } from './backoff'
import type { Clock } from './environment'
import type { Done, FailureCode } from './requests'

export interface ResumeOptions {
  request: (frame: { type: 'room.join'; room: string; after?: number }, done: Done) => void
  clock: Clock
  random: () => number
  /** The room starts anew from the latest messages: at the first join, and after too long an absence. */
  onSnapshot: (joined: RoomJoined) => void
  /** The next events of the room, in order. */
  onEvents: (room: string, events: LogEvent[]) => void
  /** Who is there, after each join that has reached the head. */
  onJoined: (joined: RoomJoined) => void
  /** The server will not let us in (any more); the room has been forgotten. */
  onLost: (room: string, code: FailureCode) => void
}

/** Further behind than this, the latest messages are shown instead of everything in between; history has the rest. */
export const MAX_CATCH_UP = 2_000
const MAX_HELD = 1_000
/** Joins under way: one at first, one more with each quick answer, one again after a slow one. */
const MAX_JOINS = 4
/** milliseconds; a page that took longer than this came over a link that has no room for two */
const QUICK = 2_000
const FINAL: ReadonlySet<FailureCode> = new Set(['no_such_room', 'not_a_member', 'forbidden', 'bad_frame'])

interface RoomState {
  /** highest seq handed on; null before the first snapshot */
  last: number | null
  /** `queued`: to be joined, but not asked for yet; `joining`: asked for, or to be asked for again after a pause */
  phase: 'idle' | 'queued' | 'joining' | 'live'
  /** events that came while the room was queued or joining */
  held: Map<number, LogEvent>
  attempt: number
  timer: unknown
}

export class Resume {
  /** the room on screen is the last */
  private readonly rooms = new Map<string, RoomState>()
  private connected = false
  private epoch: string | undefined
  private joins = 0
  private window = 1

  constructor(private readonly options: ResumeOptions) {}

  has(room: string): boolean {
    return this.rooms.has(room)
  }

  highest(room: string): number | null {
    return this.rooms.get(room)?.last ?? null
  }

  /** Joining a room again puts it before the others. */
  join(room: string): void {
    const known = this.rooms.get(room)
    const state: RoomState = known ?? { last: null, phase: 'idle', held: new Map(), attempt: 0, timer: null }
    this.rooms.delete(room)
    this.rooms.set(room, state)
    if (this.connected && !known) this.enqueue(state)
  }

  leave(room: string): void {
    const state = this.rooms.get(room)
    if (state) this.options.clock.clearTimeout(state.timer)
    this.rooms.delete(room)
  }

  /** `epoch`: of the server's logs. In another one than before all that was handed on is void: the rooms start anew. */
  open(epoch?: string): void {
    this.connected = true
    this.window = 1
    const anew = epoch !== undefined && this.epoch !== undefined && epoch !== this.epoch
    this.epoch = epoch ?? this.epoch
    for (const state of this.rooms.values()) {
      state.phase = 'queued'
      if (anew) state.last = null
    }
    this.pump()
  }

  close(): void {
    this.connected = false
    this.joins = 0
    for (const state of this.rooms.values()) {
      this.options.clock.clearTimeout(state.timer)
      state.phase = 'idle'
      state.held.clear()
    }
  }

  /** The server stopped pushing this room: fetch what is missing. */
  gap(room: string): void {
    const state = this.rooms.get(room)
    if (state?.phase === 'live') this.enqueue(state)
  }

  /** A live event of any room. */
  accept(event: LogEvent): void {
    const state = this.rooms.get(event.room)
    if (!state || (state.last === null && state.phase !== 'joining')) return
    if (state.phase === 'live' && event.seq === state.last! + 1) {
      state.last = event.seq
      return this.options.onEvents(event.room, [event])
    }
    if (state.last !== null && event.seq <= state.last) return
    if (state.held.size < MAX_HELD) state.held.set(event.seq, event)
    if (state.phase === 'live') this.enqueue(state)
  }

  private enqueue(state: RoomState): void {
    state.phase = 'queued'
    this.pump()
  }

  private pump(): void {
    while (this.connected && this.joins < this.window) {
      const next = [...this.rooms].findLast(([, { phase }]) => phase === 'queued')
      if (!next) return
      this.page(...next)
    }
  }

  private page(room: string, state: RoomState): void {
    state.phase = 'joining'
    this.joins++
    const after = state.last
    const asked = this.options.clock.now()
    this.options.request(after === null ? { type: 'room.join', room } : { type: 'room.join', room, after }, (outcome) => {
      if (!outcome.ok && outcome.code === 'disconnected') return // `open` asks again
      this.joins--
      const answered = outcome.ok || FINAL.has(outcome.code)
      const quick = answered && this.options.clock.now() - asked <= QUICK
      this.window = quick ? Math.min(this.window + 1, MAX_JOINS) : 1
      if (this.rooms.get(room) === state && state.phase === 'joining') {
        if (!outcome.ok) this.failed(room, state, outcome.code)
        else if (outcome.reply.type !== 'room.joined') this.failed(room, state, 'unavailable')
        else this.joined(room, state, after, outcome.reply)
      }
      this.pump()
    })
  }

  private joined(room: string, state: RoomState, after: number | null, reply: RoomJoined): void {
    if (after === null) {
      this.options.onSnapshot(reply)
      return this.live(state, reply)
    }
    const fresh = reply.events.filter((event) => event.seq > after)
    const last = fresh.at(-1)?.seq ?? after
    // A head below the delivered events: the server's database lost the rest, and will reuse their numbers.
    const wentBack = reply.head < after
    if (wentBack || (reply.more && reply.head - last > MAX_CATCH_UP)) {
      state.last = null
      if (wentBack) state.held.clear()
      state.phase = 'queued'
      return
    }
    // A page without progress must not be asked for again at once.
    if (reply.more && last === after) return this.failed(room, state, 'unavailable')
    state.last = last
    state.attempt = 0
    if (fresh.length) this.options.onEvents(room, fresh)
    if (this.rooms.get(room) !== state || state.phase !== 'joining') return
    if (reply.more) state.phase = 'queued'
    else this.live(state, reply)
  }

  private live(state: RoomState, reply: RoomJoined): void {
    state.last = Math.max(state.last ?? 0, reply.head)
    state.phase = 'live'
    state.attempt = 0
    this.options.onJoined(reply)
    const held = [...state.held.values()].sort((a, b) => a.seq - b.seq)
    state.held.clear()
    for (const event of held) this.accept(event)
  }

  private failed(room: string, state: RoomState, code: FailureCode): void {
    if (FINAL.has(code)) {
      this.rooms.delete(room)
      return this.options.onLost(room, code)
    }
    const wait = 250 + fullJitter(state.attempt++, this.options.random)
    state.timer = this.options.clock.setTimeout(() => {
      if (this.connected && this.rooms.get(room) === state) this.enqueue(state)
    }, wait)
  }
}
