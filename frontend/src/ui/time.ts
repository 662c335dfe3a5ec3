/** Dates in the words of the reader's own language and zone. */
const clock = new Intl.DateTimeFormat(undefined, { hour: 'numeric', minute: '2-digit' })
const full = new Intl.DateTimeFormat(undefined, { dateStyle: 'full', timeStyle: 'short' })
const weekday = new Intl.DateTimeFormat(undefined, { weekday: 'long', day: 'numeric', month: 'long' })
const withYear = new Intl.DateTimeFormat(undefined, { dateStyle: 'long' })
const short = new Intl.DateTimeFormat(undefined, { day: 'numeric', month: 'short' })
const relativeDay = new Intl.RelativeTimeFormat(undefined, { numeric: 'auto' })

const DAY = 86_400_000

export function clockTime(at: Date): string {
  return clock.format(at)
}

export function fullTime(at: Date): string {
  return full.format(at)
}

export function sameDay(a: Date, b: Date): boolean {
  return a.toDateString() === b.toDateString()
}

/** "today", "yesterday", "Monday, 3 March", and the year once it is another one. */
export function dayLabel(at: Date, now = new Date()): string {
  const days = daysBetween(at, now)
  if (days === 0 || days === 1) return capitalised(relativeDay.format(-days, 'day'))
  return at.getFullYear() === now.getFullYear() ? weekday.format(at) : withYear.format(at)
}

/** "3 Mar", and the year once it is another one: behind "on". */
export function shortDay(at: Date, now = new Date()): string {
  return at.getFullYear() === now.getFullYear() ? short.format(at) : withYear.format(at)
}

/** For lists: the time today, else the day. */
export function shortTime(at: Date, now = new Date()): string {
  const days = daysBetween(at, now)
  if (days === 0) return clock.format(at)
  return days === 1 ? capitalised(relativeDay.format(-1, 'day')) : short.format(at)
}

function daysBetween(earlier: Date, later: Date): number {
  const midnight = (date: Date) => new Date(date.getFullYear(), date.getMonth(), date.getDate()).getTime()
  return Math.round((midnight(later) - midnight(earlier)) / DAY)
}

function capitalised(text: string): string {
  return text.charAt(0).toLocaleUpperCase() + text.slice(1)
}
