/** Which messages are visible to the person. */
import { ref, shallowRef } from 'vue'

/** The page is visible and has the keyboard. */
export const present = ref(isPresent())
/** The open room, and whether its latest message is in view. */
export const openRoom = shallowRef<{ room: string; atEnd: boolean } | null>(null)

/** Whether the latest message of a room is visible to the person. */
export function isOnScreen(room: string): boolean {
  return present.value && openRoom.value?.room === room && openRoom.value.atEnd
}

/** Keeps `present` up to date, as long as the page lives. */
export function watchPresent(): void {
  const look = () => (present.value = isPresent())
  document.addEventListener('visibilitychange', look)
  for (const sign of ['focus', 'blur', 'pageshow']) window.addEventListener(sign, look)
  look()
}

function isPresent(): boolean {
  return typeof document !== 'undefined' && document.visibilityState === 'visible' && document.hasFocus()
}
