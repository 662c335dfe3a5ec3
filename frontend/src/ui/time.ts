/** Dates and times in the language of the page, in the zone of the reader. */
import { computed } from 'vue'
import { locale } from '../i18n'

const formats = computed(() => {
  const format = (options: Intl.DateTimeFormatOptions) => new Intl.DateTimeFormat(locale.value, options)
  return {
    clock: format({ hour: 'numeric', minute: '2-digit' }),
    exact: format({ hour: 'numeric', minute: '2-digit', second: '2-digit' }),
    full: format({ dateStyle: 'full', timeStyle: 'short' }),
    weekday: format({ weekday: 'long', day: 'numeric', month: 'long' }),
    withYear: format({ dateStyle: 'long' }),
    short: format({ day: 'numeric', month: 'short' }),
    relativeDay: new Intl.RelativeTimeFormat(locale.value, { numeric: 'auto' }),
  }
})

const DAY = 86_400_000

export function clockTime(at: Date): string {
  return formats.value.clock.format(at)
}

export function fullTime(at: Date): string {
  return formats.value.full.format(at)
}

export function sameDay(a: Date, b: Date): boolean {
  return a.toDateString() === b.toDateString()
}

/** "today", "yesterday", "Monday, 3 March", and the year once it is another one. */
export function dayLabel(at: Date, now = new Date()): string {
  const days = daysBetween(at, now)
  if (days === 0 || days === 1) return capitalised(formats.value.relativeDay.format(-days, 'day'))
  return at.getFullYear() === now.getFullYear() ? formats.value.weekday.format(at) : formats.value.withYear.format(at)
}

/** "3 Mar", and the year once it is another one: behind "on". */
export function shortDay(at: Date, now = new Date()): string {
  return at.getFullYear() === now.getFullYear() ? formats.value.short.format(at) : formats.value.withYear.format(at)
}

/** "14:05", with the day where that is not today: behind "until". */
export function timeOrDay(at: Date, now = new Date()): string {
  return sameDay(at, now) ? clockTime(at) : `${shortDay(at, now)}, ${clockTime(at)}`
}

/** For lists: the time today, else the day. */
export function shortTime(at: Date, now = new Date()): string {
  const days = daysBetween(at, now)
  if (days === 0) return formats.value.clock.format(at)
  return days === 1 ? capitalised(formats.value.relativeDay.format(-1, 'day')) : formats.value.short.format(at)
}

/** For an axis of time whose labels are so many seconds apart. */
export function axisTime(at: Date, step: number): string {
  const { short, clock, exact } = formats.value
  return (step >= DAY / 1_000 ? short : step >= 60 ? clock : exact).format(at)
}

/** Minutes since midnight in a time zone. @throws RangeError for a zone that the browser does not know */
export function minuteOfDay(at: Date, zone: string): number {
  const parts = new Intl.DateTimeFormat('en', { hour: 'numeric', minute: 'numeric', hourCycle: 'h23', timeZone: zone }).formatToParts(at)
  const part = (type: string) => Number(parts.find((one) => one.type === type)?.value)
  return part('hour') * 60 + part('minute')
}

/** The zone of this device. */
export function ownZone(): string {
  return new Intl.DateTimeFormat().resolvedOptions().timeZone
}

/** All zones that the browser knows, with this device's own among them. */
export function allZones(): string[] {
  return [...new Set([...Intl.supportedValuesOf('timeZone'), 'UTC', ownZone()])].sort()
}

function daysBetween(earlier: Date, later: Date): number {
  const midnight = (date: Date) => new Date(date.getFullYear(), date.getMonth(), date.getDate()).getTime()
  return Math.round((midnight(later) - midnight(earlier)) / DAY)
}

function capitalised(text: string): string {
  return text.charAt(0).toLocaleUpperCase(locale.value) + text.slice(1)
}
