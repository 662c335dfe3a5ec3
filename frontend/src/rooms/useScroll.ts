import { onBeforeUnmount, onBeforeUpdate, onMounted, onUpdated, ref, type Ref } from 'vue'
import type { Place } from '../stores/places'

interface Edges {
  nearTop: () => unknown
  nearBottom: () => unknown
  /** the last row drawn is the latest there is: only then does reaching the bottom mean following it */
  atEnd: () => boolean
  /** the view has moved, or other messages have come into it */
  moved: () => void
}

const BOTTOM_SLACK = 48
const EDGE = 600

/**
 * Scrolling of a list that grows at both ends: pinned to the bottom it follows, elsewhere what is being read stays put.
 *
 * The browser's own anchoring is off (not every browser has it, and it does not know about pinning).
 */
export function useScroll(scroller: Ref<HTMLElement | null>, content: Ref<HTMLElement | null>, edges: Edges) {
  const pinned = ref(true)
  let anchor: { row: string; top: number } | null = null
  let resized: ResizeObserver | null = null

  function toBottom(): void {
    const element = scroller.value
    if (element) element.scrollTop = element.scrollHeight
  }

  /** Puts a row `top` pixels below the upper edge of the view; false when it is not there or all below it is in view anyway. */
  function toRow(row: string, top: number): boolean {
    const element = scroller.value
    const mark = find(row)
    if (!element || !mark) return false
    const target = element.scrollTop + mark.getBoundingClientRect().top - element.getBoundingClientRect().top - top
    if (edges.atEnd() && target >= element.scrollHeight - element.clientHeight) return false
    pinned.value = false
    element.scrollTop = target
    return true
  }

  function toSeq(seq: number, top: number): boolean {
    const row = stored().find((one) => Number(one.dataset.seq) >= seq)
    return row !== undefined && toRow(row.dataset.row!, top)
  }

  /** Puts a message into the upper part of the view. */
  function toSeqInView(seq: number): boolean {
    return toSeq(seq, (scroller.value?.clientHeight ?? 0) / 4)
  }

  /** Puts a row into the upper part of the view. */
  function toMark(row: string): boolean {
    return toRow(row, (scroller.value?.clientHeight ?? 0) / 4)
  }

  function find(row: string): HTMLElement | null {
    return content.value?.querySelector<HTMLElement>(`[data-row="${CSS.escape(row)}"]`) ?? null
  }

  function stored(): HTMLElement[] {
    return [...(content.value?.querySelectorAll<HTMLElement>('[data-seq]') ?? [])]
  }

  /** The first message that is at least partly in view. */
  function firstInView(): Place | null {
    const edge = scroller.value?.getBoundingClientRect().top ?? 0
    const row = stored().find((one) => one.getBoundingClientRect().bottom > edge)
    return row ? { seq: Number(row.dataset.seq), top: row.getBoundingClientRect().top - edge } : null
  }

  /** seq of the last message that is at least partly in view; 0 for none. */
  function lastInView(): number {
    const edge = scroller.value?.getBoundingClientRect().bottom ?? 0
    const row = stored().findLast((one) => one.getBoundingClientRect().top < edge)
    return Number(row?.dataset.seq ?? 0)
  }

  function scrolled(): void {
    const element = scroller.value
    if (!element) return
    pinned.value = below(element) <= BOTTOM_SLACK && edges.atEnd()
    if (element.scrollTop < EDGE) edges.nearTop()
    else if (below(element) < EDGE) edges.nearBottom()
    edges.moved()
  }

  /** A tall window that the messages do not fill cannot be scrolled, so it asks for more by itself. */
  function fill(): void {
    const element = scroller.value
    if (element && element.scrollHeight - element.clientHeight < EDGE) edges.nearTop()
  }

  onBeforeUpdate(() => {
    anchor = null
    const element = scroller.value
    if (!element || pinned.value) return
    const top = element.getBoundingClientRect().top
    const row = stored().find((one) => one.getBoundingClientRect().bottom > top)
    if (row) anchor = { row: row.dataset.row!, top: row.getBoundingClientRect().top }
  })

  onUpdated(() => {
    if (pinned.value) return (toBottom(), fill())
    const row = anchor && find(anchor.row)
    if (row && scroller.value) scroller.value.scrollTop += row.getBoundingClientRect().top - anchor!.top
    // The latest may just have been drawn while the view rested at the bottom; no scrolling will tell.
    if (scroller.value && below(scroller.value) <= BOTTOM_SLACK && edges.atEnd()) pinned.value = true
  })

  onMounted(() => {
    scroller.value?.addEventListener('scroll', scrolled, { passive: true })
    // The keyboard of a phone, a longer composer, a late font: the last message stays in view.
    resized = new ResizeObserver(() => {
      if (pinned.value) toBottom()
    })
    if (scroller.value) resized.observe(scroller.value)
    if (content.value) resized.observe(content.value)
  })
  onBeforeUnmount(() => resized?.disconnect())

  return { pinned, toBottom, toSeq, toSeqInView, toMark, firstInView, lastInView }
}

function below(element: HTMLElement): number {
  return element.scrollHeight - element.clientHeight - element.scrollTop
}
