/** A durable frame on its way out (outbox.ts), as Web Storage keeps it (storage.ts). */
import type { FailureCode } from './requests'

export type Destination = { room: string } | { to: number }

export interface OutgoingFrame {
  readonly key: string
  readonly destination: Destination
  /** `frame.send`, or a feature's */
  readonly type: string
  /** the rest of the frame */
  readonly fields: Readonly<Record<string, unknown>>
  /** milliseconds; rises strictly, so it is the order too */
  readonly at: number
  state: 'waiting' | 'sending' | 'failed'
  /** set when `state` is `failed`: the server said no for good */
  error: { code: FailureCode; message: string } | null
}
