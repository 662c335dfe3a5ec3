/**
 * One connection that is kept up: connecting → open → waiting → connecting …, until it is closed on request or refused.
 *
 * It knows nothing of rooms or messages; it matches replies to requests and hands every other frame on.
 */
import { Close, REFUSALS, type FeatureFrame, type Hello, type ServerFrame } from '../protocol'
import { atLeast, capAfter, fullJitter, RETRY_BASE, RETRY_CAP } from './backoff'
import type { Clock, Network, NetworkChange, WireSocket } from './environment'
import { Requests, type Done } from './requests'

export type ConnectionState =
  | { name: 'connecting' }
  | { name: 'open'; hello: Hello }
  /** `retryAt` in clock milliseconds; `offline` when the device says it has no network */
  | { name: 'waiting'; retryAt: number; offline: boolean }
  | { name: 'closed' }
  /** The credentials will not do; `code` is the close code. */
  | { name: 'refused'; code: number }

export interface ConnectionOptions {
  url: string
  open: (url: string) => WireSocket
  clock: Clock
  network: Network
  random: () => number
  /** Whether a greeting is for the person of this page; the connection ends as signed out if not. */
  accepts: (hello: Hello) => boolean
  onState: (state: ConnectionState) => void
  /** Every frame that is no reply to a request of this connection. */
  onFrame: (frame: ServerFrame) => void
}

const GREETING_TIMEOUT = 10_000
const PROBE_TIMEOUT = 5_000
const HEARTBEAT = 20_000
/** For a socket that was closed because of its frames. */
const ABUSE_WAIT = 30_000
/** For a handshake that came when there were too many: mostly others' behind the same address, and over in seconds. */
const CROWD_WAIT = 1_000
const RESTART_SPREAD = 1_000
/** A connection that lasted this long counts as a success, so the next wait starts small again. */
const STABLE_AFTER = 10_000

export class Connection {
  private current: ConnectionState = { name: 'closed' }
  private socket: WireSocket | null = null
  private readonly requests: Requests
  private readonly timers = new Map<'greeting' | 'retry' | 'heartbeat' | 'drain', unknown>()
  private unwatch: (() => void) | null = null
  private attempt = 0
  private openedAt = 0
  private heardAt = 0
  /** end of the last connection that counted as a success; null before the first */
  private lastedUntil: number | null = null
  /** when a ping went out that nothing has been heard since */
  private pingedAt: number | null = null
  /** the server asked for this wait; no event of the device may shorten it */
  private mustWait = false

  constructor(private readonly options: ConnectionOptions) {
    this.requests = new Requests({
      clock: options.clock,
      send: (frame) => this.transmit(frame),
      onStuck: () => this.lost(null),
    })
  }

  get state(): ConnectionState {
    return this.current
  }

  /** Connects now, without the rest of a pause. */
  start(): void {
    if (this.current.name === 'open' || this.current.name === 'connecting') return
    this.unwatch ??= this.options.network.watch((change) => this.networkChanged(change))
    this.attempt = 0
    this.dial()
  }

  /** Closes and stays closed until `start`. */
  stop(): void {
    this.unwatch?.()
    this.unwatch = null
    this.hangUp()
    this.become({ name: 'closed' })
  }

  /** Sends a frame without a reply; false without an open socket, and for a frame above `limits.frame`. */
  post(frame: FeatureFrame): boolean {
    return this.transmit(frame)
  }

  /** Sends a frame; `done` is called exactly once, while the frame that decides it is being handled. */
  request(frame: FeatureFrame, done: Done): void {
    if (this.current.name !== 'open' || !this.socket) {
      return done({ ok: false, code: 'disconnected', message: 'There is no connection.' })
    }
    this.requests.request(frame, done)
  }

  private transmit(frame: FeatureFrame): boolean {
    if (this.current.name !== 'open' || !this.socket) return false
    const data = JSON.stringify(frame)
    // The server would close the socket with 1009, and again each time that the frame is sent anew.
    if (isLonger(data, this.current.hello.limits.frame)) return false
    this.socket.send(data)
    return true
  }

  private dial(): void {
    this.hangUp()
    this.become({ name: 'connecting' })
    const socket = this.options.open(this.options.url)
    this.socket = socket
    socket.onmessage = ({ data }) => this.receive(data)
    socket.onclose = ({ code }) => this.lost(code)
    socket.onerror = () => undefined // a close event always follows
    this.arm('greeting', GREETING_TIMEOUT, () => this.lost(null))
  }

  private receive(data: unknown): void {
    this.heardAt = this.options.clock.now()
    this.pingedAt = null
    const frame = decode(data)
    if (!frame) return
    if (frame.type === 'hello') return this.greeted(frame)
    if (frame.type === 'drain') return this.drain(frame.after_ms)
    if (!this.requests.take(frame)) this.options.onFrame(frame)
  }

  private greeted(hello: Hello): void {
    if (!this.options.accepts(hello)) {
      this.hangUp()
      return this.become({ name: 'refused', code: Close.SIGNED_OUT })
    }
    this.disarm('greeting')
    this.openedAt = this.options.clock.now()
    this.become({ name: 'open', hello })
    this.beat(hello.heartbeat * 1000 || HEARTBEAT)
  }

  /** Pings after `interval` of silence; 1.5 intervals without an answer mean that the line is dead. */
  private beat(interval: number): void {
    this.arm('heartbeat', interval / 2, () => {
      const now = this.options.clock.now()
      if (this.pingedAt === null) {
        if (now - this.heardAt >= interval) this.ping()
      } else if (now - this.pingedAt >= interval * 1.5) {
        return this.lost(null)
      }
      this.beat(interval)
    })
  }

  private ping(): void {
    this.pingedAt = this.options.clock.now()
    this.post({ type: 'ping' })
  }

  /** Asks at once whether the line is alive, instead of waiting for the heartbeat to find out. */
  private probe(): void {
    if (this.current.name !== 'open') return
    const interval = this.current.hello.heartbeat * 1000 || HEARTBEAT
    this.ping()
    this.arm('heartbeat', PROBE_TIMEOUT, () => (this.pingedAt === null ? this.beat(interval) : this.lost(null)))
  }

  /** The process is about to go: move to another one at a moment of our own within the time given. */
  private drain(afterMs: number): void {
    this.arm('drain', this.options.random() * Math.max(0, afterMs), () => this.dial())
  }

  /** `code` is the close code, or null when we gave the socket up ourselves. */
  private lost(code: number | null): void {
    const greeted = this.openedAt > 0
    this.hangUp()
    if (code !== null && REFUSALS.has(code)) {
      this.become({ name: 'refused', code })
      return
    }
    this.wait(this.delayAfter(code, greeted))
  }

  /** `greeted`: the handshake had been let in. */
  private delayAfter(code: number | null, greeted: boolean): number {
    const { random, network } = this.options
    const attempt = this.attempt++
    this.mustWait = greeted && code === Close.RATE_ABUSE
    if (this.mustWait) return atLeast(ABUSE_WAIT, random)
    if (!network.online()) return atLeast(RETRY_CAP / 2, random)
    if (code === Close.SERVICE_RESTART && attempt === 0) return Math.round(random() * RESTART_SPREAD)
    if (code === Close.RATE_ABUSE) return CROWD_WAIT + fullJitter(attempt, random, 2 * CROWD_WAIT)
    const away = this.lastedUntil === null ? null : this.options.clock.now() - this.lastedUntil
    return fullJitter(attempt, random, RETRY_BASE, capAfter(away))
  }

  private wait(ms: number): void {
    const { clock, network } = this.options
    this.become({ name: 'waiting', retryAt: clock.now() + ms, offline: !network.online() })
    this.arm('retry', ms, () => this.dial())
  }

  private networkChanged(change: NetworkChange): void {
    if (change === 'offline') {
      // The browser keeps a dead socket open for minutes; it is given up at once.
      if (this.current.name === 'open' || this.current.name === 'connecting') this.lost(null)
      return
    }
    if (this.current.name === 'waiting') {
      if (this.mustWait) return
      // Jittered: a whole office gets its network back in the same moment.
      if (change === 'online') this.attempt = 0
      const soon = fullJitter(0, this.options.random)
      if (this.options.clock.now() + soon < this.current.retryAt) this.wait(soon)
    } else {
      this.probe()
    }
  }

  private hangUp(): void {
    this.pingedAt = null
    for (const name of this.timers.keys()) this.disarm(name)
    const socket = this.socket
    this.socket = null
    const now = this.options.clock.now()
    if (this.openedAt && now - this.openedAt >= STABLE_AFTER) {
      this.attempt = 0
      this.lastedUntil = now
    }
    this.openedAt = 0
    if (socket) {
      socket.onmessage = socket.onclose = null
      if (socket.readyState < 2) socket.close(1000)
    }
    this.requests.clear()
  }

  private become(state: ConnectionState): void {
    this.current = state
    this.options.onState(state)
  }

  private arm(name: 'greeting' | 'retry' | 'heartbeat' | 'drain', ms: number, run: () => void): void {
    this.disarm(name)
    this.timers.set(name, this.options.clock.setTimeout(run, ms))
  }

  private disarm(name: 'greeting' | 'retry' | 'heartbeat' | 'drain'): void {
    this.options.clock.clearTimeout(this.timers.get(name))
    this.timers.delete(name)
  }
}

/** Whether a text has more than `limit` bytes of UTF-8. Most need no count: a unit of UTF-16 takes three at most. */
function isLonger(text: string, limit: number): boolean {
  return text.length * 3 > limit && new TextEncoder().encode(text).length > limit
}

/** null for what is no frame: the bare `pong`, and anything a newer server may invent. */
function decode(data: unknown): ServerFrame | null {
  if (typeof data !== 'string') return null
  try {
    const frame: unknown = JSON.parse(data)
    return typeof frame === 'object' && frame !== null && 'type' in frame ? (frame as ServerFrame) : null
  } catch {
    return null
  }
}
