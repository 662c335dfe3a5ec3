import type { Ref } from 'vue'
import { t } from '../../i18n'
import { useServerNow } from '../../stores/clock'

/** Seconds after which a place is shown as old. */
export const OLD_S = 60

/** The server's time, each second: it dates the places. */
export function useNow(): Readonly<Ref<number>> {
  return useServerNow(1_000)
}

/** "now", "12 s ago", "3 min ago" */
export function ageOf(at: string, now: number): string {
  const seconds = Math.max(0, Math.round((now - Date.parse(at)) / 1_000))
  if (seconds < 3) return t('location.now')
  return seconds < 60 ? t('location.seconds_ago', { seconds }) : t('location.minutes_ago', { minutes: Math.floor(seconds / 60) })
}
