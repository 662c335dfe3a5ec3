import { computed, onBeforeUnmount, ref, type ComputedRef } from 'vue'
import { t } from '../../i18n'

/** Seconds after which a place is shown as old. */
export const OLD_S = 60

/** The time, each second. */
export function useNow(): ComputedRef<number> {
  const now = ref(Date.now())
  const timer = setInterval(() => (now.value = Date.now()), 1_000)
  onBeforeUnmount(() => clearInterval(timer))
  return computed(() => now.value)
}

/** "now", "12 s ago", "3 min ago" */
export function ageOf(at: string, now: number): string {
  const seconds = Math.max(0, Math.round((now - Date.parse(at)) / 1_000))
  if (seconds < 3) return t('location.now')
  return seconds < 60 ? t('location.seconds_ago', { seconds }) : t('location.minutes_ago', { minutes: Math.floor(seconds / 60) })
}
