import { ref } from 'vue'

/** What a screen reader is told politely; shown to nobody. */
export const announcement = ref('')

let last = 0

/** Bursts are summed up by the latest: reading them all aloud would never end. */
export function announce(text: string): void {
  const now = Date.now()
  if (now - last < 300 && announcement.value) announcement.value = `${announcement.value.slice(-400)} ${text}`
  else announcement.value = text
  last = now
}
