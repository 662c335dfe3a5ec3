import { ref } from 'vue'
import { t } from '../i18n'

/** Polite announcements for a screen reader; not visible. */
export const announcement = ref('')

const BATCH_MS = 500
const MAX_SENTENCES = 3
const MAX_LENGTH = 240

const waiting = new Map<string, string>()
let timer: ReturnType<typeof setTimeout> | undefined
let unnamed = 0

/**
 * Sentences of one moment are read together, and of many only the latest: reading all aloud would never end.
 *
 * `topic`: a later sentence on the same topic replaces an unread one.
 */
export function announce(text: string, topic = `#${unnamed++}`): void {
  waiting.delete(topic)
  waiting.set(topic, text.length > MAX_LENGTH ? `${text.slice(0, MAX_LENGTH)}…` : text)
  timer ??= setTimeout(read, BATCH_MS)
}

function read(): void {
  timer = undefined
  const sentences = [...waiting.values()]
  waiting.clear()
  const left = sentences.length - MAX_SENTENCES
  const text = [...(left > 0 ? [t('announced.more', { count: left })] : []), ...sentences.slice(-MAX_SENTENCES)].join(' ')
  // A region that does not change is not read again.
  announcement.value = text === announcement.value ? `${text}\u00a0` : text
}
