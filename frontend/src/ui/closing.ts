/** When something closes: after a time, at a time, or by a person. The server's clock decides. */
import { serverNow } from '../stores/clock'

/** seconds */
export const TIMES = { never: 0, minutes: 300, hour: 3_600, day: 86_400, week: 604_800 } as const

export interface Closing {
  time: keyof typeof TIMES | 'at'
  /** local time of the field, for `at` */
  at: string
}

export function neverClosing(): Closing {
  return { time: 'never', at: '' }
}

/** As the protocol has it. */
export function closesAt({ time, at }: Closing): string | null {
  if (time === 'at') return new Date(at).toISOString()
  return time === 'never' ? null : new Date(serverNow() + 1_000 * TIMES[time]).toISOString()
}

/** Whether the time of the field is none, or over. */
export function isPast({ time, at }: Closing): boolean {
  return time === 'at' && !(new Date(at).getTime() > serverNow())
}
