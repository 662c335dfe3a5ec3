import { onScopeDispose, watch } from 'vue'

const PAUSE_MS = 1_000
/** All pages of a room hear of a change at once. */
const SPREAD_MS = 2_000

/** Calls `ask` once a value has changed and rests: for an answer that only the server has, and another device may have changed. */
export function askAgain(value: () => unknown, ask: () => void): void {
  let timer: ReturnType<typeof setTimeout> | undefined
  watch(() => JSON.stringify(value()), () => {
    clearTimeout(timer)
    timer = setTimeout(ask, PAUSE_MS + Math.random() * SPREAD_MS)
  })
  onScopeDispose(() => clearTimeout(timer))
}
