import { onBeforeUnmount, onMounted, watch, type Ref } from 'vue'
import { useConnection } from '../stores/connection'
import { useRooms } from '../stores/rooms'

const SETTLE = 300
/** Any of these may mean that somebody has come to look; which of them come differs between browsers. */
const SIGNS = ['visibilitychange', 'focus', 'pointerdown', 'keydown'] as const

/** Moves the read mark of a room while its latest message is really in front of somebody. */
export function useReadMark(room: string, highest: Ref<number>, atBottom: Ref<boolean>): void {
  const rooms = useRooms()
  const connection = useConnection()
  let timer: ReturnType<typeof setTimeout> | undefined

  /** An edit or a reaction moves the head, and makes nothing unread: no mark is sent for it. */
  function isUnread(): boolean {
    const known = rooms.get(room)
    return highest.value > (known?.upto ?? 0) && (known?.unread ?? 1) > 0
  }

  function look(): void {
    clearTimeout(timer)
    if (atBottom.value && connection.isOpen && isUnread()) timer = setTimeout(mark, SETTLE)
  }

  function mark(): void {
    if (document.visibilityState === 'visible' && document.hasFocus()) void rooms.read(room, highest.value)
  }

  watch([highest, atBottom, () => connection.isOpen, () => rooms.get(room)?.upto, () => rooms.get(room)?.unread], look, { immediate: true })
  onMounted(() => SIGNS.forEach((sign) => window.addEventListener(sign, look, true)))
  onBeforeUnmount(() => {
    clearTimeout(timer)
    SIGNS.forEach((sign) => window.removeEventListener(sign, look, true))
  })
}
