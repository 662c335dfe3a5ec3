import { computed, onBeforeUnmount, onMounted, ref, type ComputedRef } from 'vue'
import { serverNow } from '../../stores/clock'
import type { Game, Side } from './game'

/** Seconds left of each side, as they run. The server decides when a flag falls. */
export function useClock(game: () => Game): ComputedRef<Record<Side, number>> {
  const now = ref(serverNow())
  let timer: ReturnType<typeof setInterval> | undefined
  onMounted(() => {
    timer = setInterval(() => {
      if (game().turn) now.value = serverNow()
    }, 100)
  })
  onBeforeUnmount(() => clearInterval(timer))
  return computed(() => {
    const { clocks, turn } = game()
    const passed = turn && clocks.at ? Math.max(0, (now.value - Date.parse(clocks.at)) / 1_000) : 0
    return { white: Math.max(0, clocks.white - (turn === 'white' ? passed : 0)), black: Math.max(0, clocks.black - (turn === 'black' ? passed : 0)) }
  })
}
