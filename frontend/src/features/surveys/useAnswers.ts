import { computed, onScopeDispose, ref, watch } from 'vue'
import { useConnection } from '../../stores/connection'
import { askAgain } from '../askAgain'
import { sendDurable } from '../client'
import { isAnswered, myAnswers, type Answer, type Survey } from './survey'

/** by survey: marks that are not sent, while its row is not drawn */
const unfinished = new Map<string, Answer[]>()

/** My answers to a survey, and what I have marked but not sent yet. */
export function useAnswers(survey: () => Survey) {
  const connection = useConnection()
  /** null until the server has said it */
  const mine = ref<Answer[] | null>(null)
  const name = `${survey().room}/${survey().seq}`
  const marked = ref<Answer[]>(unfinished.get(name) ?? survey().questions.map(() => null))
  unfinished.delete(name)
  const sending = ref(false)

  const answered = computed(() => mine.value?.some(isAnswered) ?? false)
  const complete = computed(() => marked.value.some(isAnswered))

  async function ask(): Promise<void> {
    if (sending.value) return
    try {
      const found = await myAnswers(survey())
      if (sending.value) return
      const untouched = isUntouched()
      mine.value = found
      if (untouched) marked.value = whole(found)
    } catch {
      // Asked again with the next connection; until then one can answer all the same.
      mine.value ??= []
    }
  }

  function whole(answers: readonly Answer[]): Answer[] {
    return survey().questions.map((_, at) => answers[at] ?? null)
  }

  function isUntouched(): boolean {
    return JSON.stringify(marked.value) === JSON.stringify(whole(mine.value ?? []))
  }

  /** Another room, or far messages, may take the row away while the form is filled. */
  let gone = false
  function keepMarks(): void {
    if (!isUntouched()) unfinished.set(name, marked.value)
  }
  onScopeDispose(() => {
    gone = true
    keepMarks()
  })

  // Another of my devices may have answered meanwhile.
  watch(() => connection.isOpen, (open) => open && void ask(), { immediate: true })
  askAgain(() => [survey().people, survey().counts], () => connection.isOpen && void ask())
  if (!connection.isOpen) mine.value = []

  async function send(answers: readonly Answer[]): Promise<void> {
    const before = mine.value
    const sent = answers.map((answer) => (isAnswered(answer) ? answer : null))
    mine.value = sent
    marked.value = [...sent]
    sending.value = true
    try {
      await sendDurable({ type: 'survey.answer', room: survey().room, target: survey().seq, answers: sent })
    } catch {
      // The person was told. What counts is shown again.
      mine.value = before
      if (gone) keepMarks()
    } finally {
      sending.value = false
    }
  }

  return { mine, marked, answered, complete, sending, send }
}
