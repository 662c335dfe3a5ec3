import { shallowRef } from 'vue'
import { announce } from './announcer'

export interface Toast {
  readonly id: number
  readonly text: string
  readonly kind: 'news' | 'failure'
  readonly action: { label: string; run: () => void } | null
}

const SHOWN_MS = 5_000
const MAX_TOASTS = 3

export const toasts = shallowRef<readonly Toast[]>([])
let nextId = 1
const ends = new Map<number, () => void>()

/**
 * Shows a sentence for some seconds, and reads it to screen readers.
 *
 * `action`: a button that ends the toast. `done` is called when the toast ended without it. Returns the toast's end.
 */
export function toast(
  text: string,
  { kind = 'news', action, done }: { kind?: Toast['kind']; action?: Toast['action']; done?: () => void } = {},
): () => void {
  const id = nextId++
  toasts.value = [...toasts.value, { id, text, kind, action: action ?? null }]
  announce(text)
  const timer = setTimeout(() => end(id), SHOWN_MS)
  ends.set(id, () => {
    clearTimeout(timer)
    done?.()
  })
  for (const old of toasts.value.slice(0, -MAX_TOASTS)) end(old.id)
  return () => end(id)
}

export function act(one: Toast): void {
  // Not `done`: the action takes its place.
  ends.delete(one.id)
  end(one.id)
  one.action?.run()
}

/** Ends all toasts at once, so that their delayed actions are not lost with the page. */
export function endAll(): void {
  for (const { id } of toasts.value) end(id)
}

export function end(id: number): void {
  toasts.value = toasts.value.filter((one) => one.id !== id)
  const ended = ends.get(id)
  ends.delete(id)
  ended?.()
}
