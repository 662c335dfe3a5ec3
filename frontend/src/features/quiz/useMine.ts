import { onBeforeUnmount, shallowRef, watch, type ShallowRef } from 'vue'
import { useConnection } from '../../stores/connection'
import { mine as ask, type Mine, type Quiz } from './quiz'

/** Everybody in the room asks at the start of a quiz and at the end of a question: not at the same moment. */
const SPREAD_MS = 1_200

export interface Own {
  mine: ShallowRef<Mine | null>
}

/** How I am doing, read when a question's time is up, and when the page comes to a quiz that runs. */
export function useMine(quiz: () => Quiz): Own {
  const connection = useConnection()
  const mine = shallowRef<Mine | null>(null)
  let timer: ReturnType<typeof setTimeout> | undefined

  async function read(): Promise<void> {
    try {
      mine.value = await ask(quiz())
    } catch {
      // Read again at the end of the next question.
    }
  }

  watch(
    () => [quiz().phase, quiz().question?.index, connection.isOpen] as const,
    ([phase, , open], before) => {
      if (!open || phase === 'lobby' || !quiz().players) return
      clearTimeout(timer)
      // A question that has just been asked has no answer of mine.
      if (phase === 'asked' && before?.[2]) return
      timer = setTimeout(() => void read(), Math.random() * SPREAD_MS * Math.min(1, quiz().players / 100))
    },
    { immediate: true },
  )
  onBeforeUnmount(() => clearTimeout(timer))
  return { mine }
}
