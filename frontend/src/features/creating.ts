/** What the dialogs of new things share: what is wrong with the draft, and its sending. */
import { ref, watch, type Ref, type WatchSource } from 'vue'
import type { FeatureFrame } from '../protocol'
import type { Sent } from '../socket'
import { explained } from '../ui/reasons'
import { sendDurable } from './client'

interface Creating {
  failure: Ref<string>
  /** Sends the frame and closes the dialog, or shows what is `wrong`. The promise is null when nothing was sent. */
  send: (frame: FeatureFrame & { room: string }, wrong?: string) => Promise<Sent> | null
}

/** `draft`: a change of it clears the failure. */
export function useCreating(draft: WatchSource<unknown>[], close: () => void): Creating {
  const failure = ref('')
  watch(draft, () => (failure.value = ''), { deep: true })

  function send(frame: FeatureFrame & { room: string }, wrong = ''): Promise<Sent> | null {
    failure.value = wrong
    if (wrong) return null
    try {
      const stored = sendDurable(frame)
      close()
      return stored
    } catch (error) {
      failure.value = explained(error)
      return null
    }
  }

  return { failure, send }
}
