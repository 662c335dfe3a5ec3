import { computed, onBeforeUnmount, ref, shallowRef, watch, type Ref } from 'vue'
import type { Page } from '../api'
import { askAgainOnceConnected } from './onceConnected'

const TYPING_PAUSE = 150

export interface Pages<Item> {
  items: Ref<Item[]>
  /** whether there are pages that were not asked for */
  more: Readonly<Ref<boolean>>
  loading: Ref<boolean>
  /** whether the list shown answers the present question */
  answered: Ref<boolean>
  failure: Ref<string>
  reload: () => Promise<void>
  loadMore: () => Promise<void>
}

/**
 * A list of the server's that is searched and read page by page. Asks anew when `question` changes, and for a page that failed once
 * there is a connection again.
 */
export function usePages<Item>(question: () => string, ask: (query: string, after: string | null) => Promise<Page<Item>>): Pages<Item> {
  const items = shallowRef<Item[]>([])
  const next = ref<string | null>(null)
  const loading = ref(false)
  const answered = ref(false)
  const failure = ref('')
  let pause: ReturnType<typeof setTimeout> | undefined
  /** where the page begins that was asked for last */
  let last: string | null = null
  let round = 0

  async function load(after: string | null): Promise<void> {
    clearTimeout(pause)
    const mine = ++round
    last = after
    loading.value = true
    try {
      const page = await ask(question(), after)
      if (mine !== round) return
      items.value = after === null ? page.items : [...items.value, ...page.items]
      next.value = page.next
      failure.value = ''
      answered.value = true
    } catch (error) {
      if (mine === round) failure.value = (error as Error).message
    } finally {
      if (mine === round) loading.value = false
    }
  }

  async function loadMore(): Promise<void> {
    if (next.value !== null && !loading.value) await load(next.value)
  }

  watch(question, () => {
    // What is on its way answers an older question.
    round++
    last = null
    loading.value = true
    answered.value = false
    clearTimeout(pause)
    pause = setTimeout(() => void load(null), TYPING_PAUSE)
  })
  askAgainOnceConnected(failure, () => load(last))
  onBeforeUnmount(() => {
    round++
    clearTimeout(pause)
  })
  void load(null)

  return { items, more: computed(() => next.value !== null), loading, answered, failure, reload: () => load(null), loadMore }
}
