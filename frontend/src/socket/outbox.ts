/**
 * Messages on their way out: bounded, in order, kept across reloads, and sent again with the same key until the
 * server has answered for each of them.
 *
 * A lane is one room (or one person, for the first direct message). In a lane one message is in flight at a time, so a
 * message that has to be sent again cannot be overtaken by the next one.
 */
import type { ClientFrame, MessageSent } from '../protocol'
import { atLeast, fullJitter } from './backoff'
import { uuid, type Clock, type KeyValueStorage } from './environment'
import type { Done, FailureCode } from './replies'
import { OutboxStorage } from './storage'

export type Destination = { room: string } | { to: number }

export interface OutgoingMessage {
  readonly key: string
  readonly destination: Destination
  readonly text: string
  /** milliseconds; rises strictly, so it is the order too */
  readonly at: number
  state: 'waiting' | 'sending' | 'failed'
  /** set when `state` is `failed`: the server said no for good */
  error: { code: FailureCode; message: string } | null
}

export interface OutboxOptions {
  request: (frame: ClientFrame, done: Done) => void
  clock: Clock
  random: () => number
  storage: KeyValueStorage | null
  /** whose messages these are; another person on the same browser must not send them */
  owner: string
  onChange: () => void
  /** The server has the message. */
  onSent: (message: OutgoingMessage, sent: MessageSent) => void
}

export const MAX_MESSAGES = 200
const RETRY_CAP = 10_000
const RATE_WAIT = 1_000
const UNDECIDED: ReadonlySet<FailureCode> = new Set(['unavailable', 'timeout', 'busy'])

export class OutboxFull extends Error {
  constructor() {
    super(`${MAX_MESSAGES} messages are waiting to be sent. Try again once some of them are through.`)
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
  private readonly messages = new Map<string, OutgoingMessage>()
  private readonly lanes = new Map<string, Lane>()
  private readonly storage: OutboxStorage
  private connected = false
  /** milliseconds between two messages, so that a long queue stays below the server's limit */
  private spacing = 0
  private nextSlot = 0
  private lastAt = 0

  constructor(private readonly options: OutboxOptions) {
    this.storage = new OutboxStorage(options.storage, options.owner)
    for (const message of this.storage.load().slice(0, MAX_MESSAGES)) {
      this.messages.set(message.key, message)
      this.lastAt = Math.max(this.lastAt, message.at)
    }
  }

  /** Oldest first. */
  list(): OutgoingMessage[] {
    return [...this.messages.values()]
  }

  /** @throws OutboxFull */
  add(destination: Destination, text: string): OutgoingMessage {
    if (this.messages.size >= MAX_MESSAGES) throw new OutboxFull()
    this.lastAt = Math.max(this.options.clock.now(), this.lastAt + 1)
    const message: OutgoingMessage = { key: uuid(), destination, text, at: this.lastAt, state: 'waiting', error: null }
    this.messages.set(message.key, message)
    this.storage.save(message)
    this.pump(laneOf(destination))
    this.options.onChange()
    return message
  }

  /** Sends a failed message again, with its key. */
  retry(key: string): void {
    const message = this.messages.get(key)
    if (message?.state !== 'failed') return
    message.state = 'waiting'
    message.error = null
    this.storage.save(message)
    this.pump(laneOf(message.destination))
    this.options.onChange()
  }

  /** Forgets a message that is not in flight. */
  discard(key: string): void {
    if (this.messages.get(key)?.state !== 'sending') this.remove(key)
  }

  /** `rate`: messages per second the server accepts, 0 for no limit. */
  open(rate: number): void {
    this.connected = true
    this.spacing = rate > 0 ? 1_100 / rate : 0
    for (const message of this.messages.values()) this.pump(laneOf(message.destination))
  }

  close(): void {
    this.connected = false
    for (const lane of this.lanes.values()) {
      this.options.clock.clearTimeout(lane.timer)
      lane.timer = null
      lane.attempt = 0
    }
  }

  private pump(name: string): void {
    const lane = this.lanes.get(name) ?? { inFlight: null, attempt: 0, timer: null }
    this.lanes.set(name, lane)
    if (!this.connected || lane.inFlight !== null || lane.timer !== null) return
    const next = this.list().find((message) => message.state === 'waiting' && laneOf(message.destination) === name)
    if (!next) {
      this.lanes.delete(name)
      return
    }
    const now = this.options.clock.now()
    if (this.nextSlot > now) return this.later(name, lane, this.nextSlot - now)
    this.nextSlot = now + this.spacing
    this.transmit(name, lane, next)
  }

  private transmit(name: string, lane: Lane, message: OutgoingMessage): void {
    const { key, text, destination } = message
    lane.inFlight = key
    message.state = 'sending'
    this.options.request({ type: 'message.send', key, text, ...destination }, (outcome) => {
      lane.inFlight = null
      if (outcome.ok && outcome.reply.type === 'message.sent') {
        lane.attempt = 0
        this.options.onSent(message, outcome.reply)
        this.remove(key)
        return this.pump(name)
      }
      const code = outcome.ok ? 'unavailable' : outcome.code
      message.state = 'waiting'
      if (code === 'disconnected') {
        // `open` sends it again
      } else if (code === 'rate_limited') {
        this.later(name, lane, atLeast(RATE_WAIT, this.options.random))
      } else if (UNDECIDED.has(code)) {
        this.later(name, lane, 250 + fullJitter(lane.attempt++, this.options.random, 500, RETRY_CAP))
      } else {
        message.state = 'failed'
        message.error = { code, message: outcome.ok ? '' : outcome.message }
        this.storage.save(message)
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
    if (!this.messages.delete(key)) return
    this.storage.remove(key)
    this.options.onChange()
  }
}
