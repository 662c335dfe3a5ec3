import { onBeforeUnmount, onBeforeUpdate, onMounted, onUpdated, ref, type Ref } from 'vue'

interface Edges {
  nearTop: () => unknown
  nearBottom: () => unknown
  /** the last row drawn is the latest there is: only then does reaching the bottom mean following it */
  atEnd: () => boolean
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

  /** Puts a row into the upper part of the view; false when it is not there or all below it is in view anyway. */
  function toMark(row: string): boolean {
    const element = scroller.value
    const mark = find(row)
    if (!element || !mark) return false
    const target = mark.offsetTop - element.clientHeight / 4
    if (target >= element.scrollHeight - element.clientHeight) return false
    pinned.value = false
    element.scrollTop = target
    return true
  }

  function find(row: string): HTMLElement | null {
    return content.value?.querySelector<HTMLElement>(`[data-row="${CSS.escape(row)}"]`) ?? null
  }

  function scrolled(): void {
    const element = scroller.value
    if (!element) return
    pinned.value = below(element) <= BOTTOM_SLACK && edges.atEnd()
    if (element.scrollTop < EDGE) edges.nearTop()
    else if (below(element) < EDGE) edges.nearBottom()
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
    for (const row of content.value?.querySelectorAll<HTMLElement>('[data-seq]') ?? []) {
      const box = row.getBoundingClientRect()
      if (box.bottom > top) {
        anchor = { row: row.dataset.row!, top: box.top }
        return
      }
    }
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

  return { pinned, toBottom, toMark }
}

function below(element: HTMLElement): number {
  return element.scrollHeight - element.clientHeight - element.scrollTop
}
