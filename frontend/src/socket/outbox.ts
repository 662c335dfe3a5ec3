/**
 * Durable frames on their way out: bounded, in order, kept across reloads, and sent again with the same key until the
 * server has answered for each of them.
 *
 * A lane is one room (or one person, for the first direct frame). In a lane one frame is in flight at a time, so a
 * frame that has to be sent again cannot be overtaken by the next one.
 */
import type { FeatureFrame, MessageSent, Reply, Stored } from '../protocol'
import { atLeast, fullJitter } from './backoff'
import { uuid, type Clock, type KeyValueStorage } from './environment'
import type { Destination, OutgoingFrame } from './outgoing'
import type { Done, FailureCode } from './requests'
import { OutboxStorage } from './storage'

export interface OutboxOptions {
  request: (frame: FeatureFrame, done: Done) => void
  clock: Clock
  random: () => number
  storage: KeyValueStorage | null
  /** whose frames these are; another person on the same browser must not send them */
  owner: string
  onChange: () => void
  /** The server has stored the event. */
  onSent: (frame: OutgoingFrame, sent: Sent) => void
  /** The server has refused the frame for good; `frame.error` says why. */
  onFailed: (frame: OutgoingFrame) => void
}

export type Sent = MessageSent | Stored

export const MAX_FRAMES = 200
const RETRY_CAP = 10_000
const RATE_WAIT = 1_000
const UNDECIDED: ReadonlySet<FailureCode> = new Set(['unavailable', 'timeout', 'busy'])

export class OutboxFull extends Error {
  constructor() {
    super(`${MAX_FRAMES} messages are waiting to be sent. Try again once some of them are through.`)
  }
}

interface Lane {
  inFlight: string | null
  attempt: number
  timer: unknown
}

export function laneOf(destination: Destination): string {
  return 'room' in destination ? `room:${destination.room}` : `to:${destination.to}`
}

export class Outbox {
  private readonly frames = new Map<string, OutgoingFrame>()
  private readonly lanes = new Map<string, Lane>()
  private readonly storage: OutboxStorage
  /** keys of frames that an earlier page or another tab has written */
  private readonly found = new Set<string>()
  /** the storage had more frames than the queue holds */
  private more = false
  private connected = false
  /** milliseconds between two frames, so that a long queue stays below the server's limit */
  private spacing = 0
  private nextSlot = 0
  private lastAt = 0

  constructor(private readonly options: OutboxOptions) {
    this.storage = new OutboxStorage(options.storage, options.owner)
    this.load()
  }

  /** Oldest first. */
  list(): OutgoingFrame[] {
    return [...this.frames.values()]
  }

  /** @throws OutboxFull */
  add(destination: Destination, type: string, fields: Record<string, unknown>): OutgoingFrame {
    if (this.frames.size >= MAX_FRAMES) throw new OutboxFull()
    this.lastAt = Math.max(this.options.clock.now(), this.lastAt + 1)
    const frame: OutgoingFrame = { key: uuid(), destination, type, fields, at: this.lastAt, state: 'waiting', error: null }
    this.frames.set(frame.key, frame)
    this.storage.save(frame)
    this.pump(laneOf(destination))
    this.options.onChange()
    return frame
  }

  /** Sends a failed frame again, with its key. */
  retry(key: string): void {
    const frame = this.frames.get(key)
    if (frame?.state !== 'failed') return
    frame.state = 'waiting'
    frame.error = null
    this.storage.save(frame)
    this.pump(laneOf(frame.destination))
    this.options.onChange()
  }

  /** Forgets a frame that is not in flight. */
  discard(key: string): void {
    const frame = this.frames.get(key)
    if (!frame || frame.state === 'sending') return
    this.remove(key)
    this.pump(laneOf(frame.destination))
  }

  /** `rate`: frames per second the server accepts, 0 for no limit. */
  open(rate: number): void {
    this.connected = true
    this.spacing = rate > 0 ? 1_100 / rate : 0
    for (const frame of this.list()) this.pump(laneOf(frame.destination))
    this.refill()
  }

  close(): void {
    this.connected = false
    for (const lane of this.lanes.values()) {
      this.options.clock.clearTimeout(lane.timer)
      lane.timer = null
      lane.attempt = 0
    }
  }

  /** Reads stored frames, as many as the queue has room for. */
  private load(): void {
    const stored = this.storage.load().filter(({ key }) => !this.frames.has(key))
    const room = MAX_FRAMES - this.frames.size
    this.more = stored.length > room
    for (const [index, frame] of stored.entries()) {
      this.lastAt = Math.max(this.lastAt, frame.at)
      if (index >= room) continue
      this.frames.set(frame.key, frame)
      this.found.add(frame.key)
    }
  }

  /** Goes on with the storage once every frame of the queue is sent or refused. */
  private refill(): void {
    if (!this.more || !this.connected || this.list().some(({ state }) => state !== 'failed')) return
    this.load()
    this.options.onChange()
    for (const frame of this.list()) this.pump(laneOf(frame.destination))
  }

  /** The next frame of a lane. A frame that another tab has sent or discarded since it was read is dropped. */
  private nextOf(name: string): OutgoingFrame | undefined {
    for (const frame of this.list()) {
      if (frame.state !== 'waiting' || laneOf(frame.destination) !== name) continue
      if (!this.found.has(frame.key) || this.storage.has(frame.key)) return frame
      this.remove(frame.key)
    }
    return undefined
  }

  private pump(name: string): void {
    const lane = this.lanes.get(name) ?? { inFlight: null, attempt: 0, timer: null }
    this.lanes.set(name, lane)
    if (!this.connected || lane.inFlight !== null || lane.timer !== null) return
    const next = this.nextOf(name)
    if (!next) {
      this.lanes.delete(name)
      return this.refill()
    }
    const now = this.options.clock.now()
    if (this.nextSlot > now) return this.later(name, lane, this.nextSlot - now)
    this.nextSlot = now + this.spacing
    this.transmit(name, lane, next)
  }

  private transmit(name: string, lane: Lane, frame: OutgoingFrame): void {
    const { key, type, fields, destination } = frame
    lane.inFlight = key
    frame.state = 'sending'
    this.options.request({ ...fields, type, key, ...destination }, (outcome) => {
      lane.inFlight = null
      if (outcome.ok && isSent(outcome.reply)) {
        lane.attempt = 0
        this.options.onSent(frame, outcome.reply)
        this.remove(key)
        return this.pump(name)
      }
      const code = outcome.ok ? 'unavailable' : outcome.code
      frame.state = 'waiting'
      if (code === 'disconnected') {
        // `open` sends it again
      } else if (code === 'rate_limited') {
        this.later(name, lane, atLeast(RATE_WAIT, this.options.random))
      } else if (UNDECIDED.has(code)) {
        this.later(name, lane, 250 + fullJitter(lane.attempt++, this.options.random, 500, RETRY_CAP))
      } else {
        frame.state = 'failed'
        frame.error = { code, message: outcome.ok ? '' : outcome.message }
        this.storage.save(frame)
        this.options.onFailed(frame)
        this.pump(name)
      }
      this.options.onChange()
    })
  }

  private later(name: string, lane: Lane, ms: number): void {
    lane.timer = this.options.clock.setTimeout(() => {
      lane.timer = null
      this.pump(name)
    }, ms)
  }

  private remove(key: string): void {
    if (!this.frames.delete(key)) return
    this.found.delete(key)
    this.storage.remove(key)
    this.options.onChange()
  }
}

function isSent(reply: Reply): reply is Sent {
  return reply.type === 'message.sent' || reply.type === 'stored'
}
