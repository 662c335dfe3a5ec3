import { onBeforeUnmount, onMounted, watch, type Ref } from 'vue'
import { useConnection } from '../stores/connection'
import { useRooms } from '../stores/rooms'
import { present } from '../stores/screen'

const SETTLE = 300
/** On the way down the mark follows more slowly: each one is stored. */
const SETTLE_ABOVE = 1_000
/** Each may mean that the page became visible; browsers differ in which they send. */
const SIGNS = ['visibilitychange', 'focus', 'pointerdown', 'keydown'] as const

/**
 * Moves the read mark of a room while its messages are visible to the person.
 *
 * At the bottom everything is read; above it the messages that were in view: `left` messages of others are unread.
 */
export function useReadMark(room: string, highest: Ref<number>, atBottom: Ref<boolean>, seen: Ref<{ seq: number; left: number }>): void {
  const rooms = useRooms()
  const connection = useConnection()
  let timer: ReturnType<typeof setTimeout> | undefined

  /** An edit or a reaction moves the head, and makes nothing unread: no mark is sent for it. */
  function isUnread(): boolean {
    const known = rooms.get(room)
    const last = atBottom.value ? highest.value : seen.value.seq
    return last > (known?.upto ?? 0) && (known?.unread ?? 1) > 0
  }

  function look(): void {
    clearTimeout(timer)
    if (connection.isOpen && isUnread()) timer = setTimeout(mark, atBottom.value ? SETTLE : SETTLE_ABOVE)
  }

  function mark(): void {
    if (document.visibilityState !== 'visible' || !document.hasFocus()) return
    if (atBottom.value) void rooms.read(room, highest.value)
    else void rooms.read(room, seen.value.seq, seen.value.left)
  }

  watch([highest, atBottom, seen, present, () => connection.isOpen, () => rooms.get(room)?.upto, () => rooms.get(room)?.unread], look, { immediate: true })
  onMounted(() => SIGNS.forEach((sign) => window.addEventListener(sign, look, true)))
  onBeforeUnmount(() => {
    clearTimeout(timer)
    SIGNS.forEach((sign) => window.removeEventListener(sign, look, true))
  })
}
