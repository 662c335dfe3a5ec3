import { onBeforeUnmount, watch, type Ref, type WatchSource } from 'vue'
import { askAgainOnceConnected } from './onceConnected'

/**
 * Asks the server for the typed text, after a pause at each change. `ask` is given a function that says whether the answer is
 * still wanted: a newer question has been asked where it is not. While `failure` has a text, a new connection asks again.
 */
export function useAsking(
  changes: WatchSource[],
  pauseMs: number,
  failure: Readonly<Ref<string>>,
  ask: (isWanted: () => boolean) => Promise<void>,
): () => void {
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
  askAgainOnceConnected(failure, now)
  onBeforeUnmount(() => {
    clearTimeout(timer)
    round++
  })
  return now
}
