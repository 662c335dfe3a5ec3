import { onBeforeUnmount } from 'vue'

const LONG_MS = 450
/** pixels that a resting finger may move */
const SLACK = 10

/** Listeners for an element that calls `run` when a finger rests on it, other than on a link or a button. */
export function useLongPress(run: () => void) {
  let timer: ReturnType<typeof setTimeout> | undefined
  let start = { x: 0, y: 0 }
  let pressed = false

  function end(): void {
    clearTimeout(timer)
  }

  onBeforeUnmount(end)
  return {
    pointerdown(event: PointerEvent): void {
      pressed = false
      if (event.pointerType === 'mouse' || (event.target as HTMLElement).closest(':is(a,button,input,textarea)')) return
      start = { x: event.clientX, y: event.clientY }
      end()
      timer = setTimeout(() => {
        pressed = true
        run()
      }, LONG_MS)
    },
    pointermove(event: PointerEvent): void {
      if (Math.hypot(event.clientX - start.x, event.clientY - start.y) > SLACK) end()
    },
    pointerup: end,
    pointercancel: end,
    /** What browsers open after a long press of their own. */
    contextmenu(event: Event): void {
      if (pressed) event.preventDefault()
    },
  }
}
