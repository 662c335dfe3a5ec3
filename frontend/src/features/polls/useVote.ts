import { computed, ref, watch } from 'vue'
import { askAgain } from '../askAgain'
import { sendDurable } from '../client'
import { useConnection } from '../../stores/connection'
import { myVote, ownVote, sameChoices, type Poll } from './poll'

/** My vote in a poll, and what I have marked but not sent yet. */
export function useVote(poll: () => Poll, me: number) {
  const connection = useConnection()
  /** the server's answer, if the event lacks it */
  const asked = ref<number[]>([])
  /** sent and not answered yet */
  const sending = ref<number[] | null>(null)
  const marked = ref<number[]>([])

  const stored = computed(() => ownVote(poll(), me) ?? asked.value)
  const vote = computed(() => sending.value ?? stored.value)
  const changed = computed(() => !sameChoices(marked.value, vote.value))

  async function ask(): Promise<void> {
    if (ownVote(poll(), me) !== null || sending.value) return
    try {
      const found = await myVote(poll())
      if (!sending.value) asked.value = found
    } catch {
      // Asked again with the next connection; a vote can be given all the same.
    }
  }

  // Another of my devices may have voted meanwhile.
  watch(() => connection.isOpen, (open) => open && void ask(), { immediate: true })
  askAgain(() => [poll().voters, poll().tally], () => connection.isOpen && void ask())
  // A vote that came from elsewhere takes the place of marks that have not been touched.
  watch(vote, (now, before) => {
    if (!before || sameChoices(marked.value, before)) marked.value = [...now]
  }, { immediate: true })

  async function send(choices: number[]): Promise<void> {
    sending.value = choices
    marked.value = [...choices]
    try {
      await sendDurable({ type: 'poll.vote', room: poll().room, target: poll().seq, choices })
      asked.value = choices
    } catch {
      // The person was told. The marks show what counts.
    } finally {
      if (sending.value === choices) sending.value = null
    }
  }

  return { vote, marked, changed, sending, send }
}
