/** Waits between attempts. All times are milliseconds; `random` answers in [0, 1). */

export const RETRY_BASE = 500
export const RETRY_CAP = 20_000
/** A server that was there this long ago is probably restarting: the cap is lower then. */
export const RESTART_WINDOW = 60_000
export const RESTART_CAP = 4_000

/** Full jitter: evenly spread below a ceiling that doubles with each attempt up to the cap. */
export function fullJitter(attempt: number, random: () => number, base = RETRY_BASE, cap = RETRY_CAP): number {
  const ceiling = Math.min(cap, base * 2 ** Math.min(attempt, 30))
  return Math.round(random() * ceiling)
}

/** The longest ceiling of a wait, given the time since a lasting connection ended; null for never. */
export function capAfter(away: number | null): number {
  return away !== null && away < RESTART_WINDOW ? RESTART_CAP : RETRY_CAP
}

/** At least `floor`, at most twice that: for a server that asked to be left alone for a while. */
export function atLeast(floor: number, random: () => number): number {
  return Math.round(floor * (1 + random()))
}
