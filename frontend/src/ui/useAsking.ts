import { onBeforeUnmount, watch, type WatchSource } from 'vue'

/**
 * Asks the server for the typed text, after a pause at each change. `ask` is given a function that says whether the answer is
 * still wanted: a newer question has been asked where it is not.
 */
export function useAsking(changes: WatchSource[], pauseMs: number, ask: (isWanted: () => boolean) => Promise<void>): () => void {
  let timer: ReturnType<typeof setTimeout> | undefined
  let round = 0

  function now(): void {
    const mine = ++round
    void ask(() => mine === round)
  }

  watch(changes, () => {
    clearTimeout(timer)
    timer = setTimeout(now, pauseMs)
  })
  onBeforeUnmount(() => {
    clearTimeout(timer)
    round++
  })
  return now
}
