/**
 * Requests that wait for their replies, and when a reply is overdue.
 *
 * Time alone proves nothing: a page of a room is one frame of up to 400 kB, and until its last byte is here the browser
 * says nothing of it. But the server takes the frames of a socket one after the other. So a reply that is late is asked
 * after with a ping, which arrives behind all other frames: once it is answered, the reply will never come.
 */
import type { FeatureFrame, ErrorCode, Reply, ServerFrame } from '../protocol'
import type { Clock } from './environment'

/** `disconnected` and `timeout` leave open whether the server acted on the request. */
export type FailureCode = ErrorCode | 'disconnected' | 'timeout' | 'busy'
export type Outcome = { ok: true; reply: Reply } | { ok: false; code: FailureCode; message: string }
export type Done = (outcome: Outcome) => void

export interface RequestsOptions {
  clock: Clock
  /** false for a frame that the server does not take because of its size; it is not sent */
  send: (frame: FeatureFrame & { id: number }) => boolean
  /** No request has been answered for REPLY_LIMIT, even if other frames arrive. */
  onStuck: () => void
}

/** Longer than the server takes over a commit, so that only what is lost or on its way is asked after. */
const REPLY_TIMEOUT = 10_000
const REPLY_LIMIT = 120_000
const MAX_PENDING = 256

interface Pending {
  done: Done
  timer: unknown
}

export class Requests {
  private readonly pending = new Map<number, Pending>()
  /** late, and not asked after yet */
  private readonly late = new Set<number>()
  /** the ping under way, and the requests whose replies must come before its own */
  private question: { id: number; about: number[] } | null = null
  private nextId = 1

  constructor(private readonly options: RequestsOptions) {}

  /** Sends a frame; `done` is called exactly once, while the frame that decides it is being handled. */
  request(frame: FeatureFrame, done: Done): void {
    if (this.pending.size >= MAX_PENDING) {
      return done({ ok: false, code: 'busy', message: 'Too many requests wait for an answer.' })
    }
    const id = this.nextId++
    this.pending.set(id, { done, timer: this.options.clock.setTimeout(() => this.overdue(id), REPLY_TIMEOUT) })
    if (!this.options.send({ ...frame, id })) {
      this.settle(id, { ok: false, code: 'too_long', message: 'The frame is larger than the server takes.' })
    }
  }

  /** Whether the frame was the reply to a request. */
  take(frame: ServerFrame): boolean {
    if (!('re' in frame) || typeof frame.re !== 'number') return false
    if (frame.re === this.question?.id) {
      const { about } = this.question
      this.question = null
      for (const id of about) {
        this.settle(id, { ok: false, code: 'timeout', message: 'The server did not answer in time.' })
      }
      this.ask()
      return true
    }
    if (!this.pending.has(frame.re)) return false
    this.settle(
      frame.re,
      frame.type === 'error' ? { ok: false, code: frame.code, message: frame.message } : { ok: true, reply: frame as Reply },
    )
    return true
  }

  /** The socket is gone, and every reply with it. */
  clear(): void {
    this.question = null
    this.late.clear()
    for (const id of this.pending.keys()) {
      this.settle(id, { ok: false, code: 'disconnected', message: 'The connection was lost.' })
    }
  }

  private overdue(id: number): void {
    this.pending.get(id)!.timer = this.options.clock.setTimeout(this.options.onStuck, REPLY_LIMIT - REPLY_TIMEOUT)
    this.late.add(id)
    this.ask()
  }

  private ask(): void {
    if (this.question || !this.late.size) return
    this.question = { id: this.nextId++, about: [...this.late] }
    this.late.clear()
    this.options.send({ type: 'ping', id: this.question.id })
  }

  private settle(id: number, outcome: Outcome): void {
    const pending = this.pending.get(id)
    if (!pending) return
    this.pending.delete(id)
    this.late.delete(id)
    this.options.clock.clearTimeout(pending.timer)
    pending.done(outcome)
  }
}
