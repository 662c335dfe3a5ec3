import { computed, onBeforeUnmount, onMounted, ref, type ComputedRef } from 'vue'
import type { Game, Side } from './game'

/** Seconds left of each side, as they run. The server decides when a flag falls. */
export function useClock(game: () => Game): ComputedRef<Record<Side, number>> {
  const now = ref(Date.now())
  let timer: ReturnType<typeof setInterval> | undefined
  onMounted(() => {
    timer = setInterval(() => {
      if (game().turn) now.value = Date.now()
    }, 100)
  })
  onBeforeUnmount(() => clearInterval(timer))
  return computed(() => {
    const { clocks, turn } = game()
    const passed = turn && clocks.at ? Math.max(0, (now.value - Date.parse(clocks.at)) / 1_000) : 0
    return { white: Math.max(0, clocks.white - (turn === 'white' ? passed : 0)), black: Math.max(0, clocks.black - (turn === 'black' ? passed : 0)) }
  })
}
