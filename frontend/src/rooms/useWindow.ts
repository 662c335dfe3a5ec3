import { computed, ref, type Ref } from 'vue'
import { position, type Messages } from '../stores/timeline'

/** Messages drawn at once; a room may hold thousands. */
const MAX_DRAWN = 240
const INITIAL = 80
const STEP = 60
/** messages drawn above the window's first one */
const ABOVE = 30

/**
 * The part of the messages that is drawn, bounded by seqs so that it keeps its place when the list grows at either end.
 * An open end follows the latest message.
 */
export function useWindow(messages: Ref<Messages>) {
  const startSeq = ref<number | null>(null)
  const endSeq = ref<number | null>(null)

  const bounds = computed(() => {
    const list = messages.value
    let end = endSeq.value === null ? list.length : position(list, endSeq.value + 1)
    // The drawn messages may have been dropped from the list: the nearest ones take their place.
    if (end === 0) end = Math.min(list.length, INITIAL)
    const start = startSeq.value === null ? end : position(list, startSeq.value)
    return { start: start < end ? start : Math.max(0, end - INITIAL), end }
  })
  const visible = computed(() => messages.value.slice(bounds.value.start, bounds.value.end))
  const atStart = computed(() => bounds.value.start === 0)
  const atEnd = computed(() => bounds.value.end === messages.value.length)

  function seqAt(index: number): number | null {
    return messages.value[index]?.seq ?? null
  }

  /** Back to the latest messages. */
  function reset(): void {
    startSeq.value = endSeq.value = null
  }

  /** The end opens: the next messages are drawn. */
  function follow(): void {
    if (endSeq.value !== null && bounds.value.end === messages.value.length) endSeq.value = null
  }

  /** Draws the messages around `seq`. */
  function around(seq: number): void {
    const list = messages.value
    const start = Math.max(0, position(list, seq) - ABOVE)
    const end = Math.min(list.length, start + INITIAL)
    startSeq.value = seqAt(start)
    endSeq.value = end === list.length ? null : seqAt(end - 1)
  }

  /** Holds the window where it is while the list grows below it. */
  function hold(): void {
    const { start, end } = bounds.value
    startSeq.value = seqAt(start)
    if (end - start > MAX_DRAWN) endSeq.value = seqAt(end - 1)
  }

  /** Draws more at the top, less at the bottom. */
  function up(): void {
    const { start, end } = bounds.value
    const next = Math.max(0, start - STEP)
    startSeq.value = seqAt(next)
    if (end - next > MAX_DRAWN) endSeq.value = seqAt(next + MAX_DRAWN - 1)
  }

  /** Draws more at the bottom, less at the top. */
  function down(): void {
    const { start, end } = bounds.value
    const next = Math.min(messages.value.length, end + STEP)
    endSeq.value = next === messages.value.length ? null : seqAt(next - 1)
    startSeq.value = seqAt(Math.max(start, next - MAX_DRAWN))
  }

  return { visible, atStart, atEnd, reset, follow, around, hold, up, down }
}
