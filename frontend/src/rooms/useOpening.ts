import { nextTick, onBeforeUnmount, onMounted, ref, watch, type Ref } from 'vue'
import { placesOf, type Place } from '../stores/places'
import type { Timeline, useTimelines } from '../stores/timelines'
import type { useScroll } from './useScroll'
import type { useWindow } from './useWindow'

interface Opening {
  room: string
  me: number
  timeline: () => Timeline
  timelines: ReturnType<typeof useTimelines>
  view: ReturnType<typeof useWindow>
  scroll: ReturnType<typeof useScroll>
  /** read mark at the time the room was opened; null when nothing was unread */
  lastReadSeq: () => number | null
  firstNew: Ref<number | null>
  /** the message that the address names */
  target: () => number | null
  atBottom: Ref<boolean>
}

/**
 * Opens a room where its reader was, else at the first unread message, else at the latest; remembers where they leave it.
 *
 * `opened` is false until that place is loaded and in view.
 */
export function useOpening(options: Opening) {
  const { room, timelines, view, scroll } = options
  const places = placesOf(options.me)
  const opened = ref(false)

  async function open(): Promise<void> {
    const named = options.target()
    const place = named === null ? places.get(room) : null
    const unread = options.lastReadSeq()
    const seq = named ?? place?.seq ?? (unread === null ? null : unread + 1)
    if (seq !== null) await timelines.loadPlace(room, seq)
    const target = named ?? place?.seq ?? options.firstNew.value
    if (target !== null) {
      scroll.pinned.value = false
      view.around(target)
    }
    opened.value = true
    await nextTick()
    if (target === null || !bring(target, place)) await toEnd()

    function bring(to: number, remembered: Place | null): boolean {
      if (named !== null) return scroll.toSeqInView(to)
      return remembered ? scroll.toSeq(to, remembered.top) : scroll.toMark('new')
    }
  }

  /** Loads the messages around `seq` where they are not there, and brings it into view. */
  async function goTo(seq: number): Promise<void> {
    await timelines.loadPlace(room, seq)
    scroll.pinned.value = false
    view.around(seq)
    await nextTick()
    if (!scroll.toSeqInView(seq)) await toEnd()
  }

  async function toEnd(): Promise<void> {
    view.reset()
    scroll.pinned.value = true
    await nextTick()
    scroll.toBottom()
  }

  /** Remembers the first message in view; none at the bottom, where the next visit follows the latest. */
  function remember(): void {
    if (opened.value) places.set(room, options.atBottom.value ? null : scroll.firstInView())
  }

  function save(): void {
    remember()
    places.save()
  }

  watch(
    () => options.timeline().ready,
    (ready) => ready && void open(),
  )
  onMounted(() => {
    if (options.timeline().ready) void open()
    window.addEventListener('pagehide', save)
  })
  onBeforeUnmount(() => {
    save()
    window.removeEventListener('pagehide', save)
  })

  return { opened, remember, goTo }
}
