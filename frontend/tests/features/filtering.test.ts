// @vitest-environment happy-dom
import { createPinia, setActivePinia } from 'pinia'
import { afterEach, beforeEach, expect, test, vi } from 'vitest'
import { createApp, h, nextTick, ref, type App } from 'vue'
import { useFilteredList } from '../../src/features/filtering'
import { installFeatures } from '../../src/features/registry'
import type { FeatureFrame } from '../../src/protocol'
import { RequestFailed, type ChatSocket } from '../../src/socket'
import { useConnection } from '../../src/stores/connection'
import FilterField from '../../src/ui/FilterField.vue'
import type { Pages } from '../../src/ui/usePages'

const PAUSE = 150
const NAMES = ['tea', 'team', 'steam', 'bob']
let app: App
let asked: FeatureFrame[]
let whole: (string | null)[]
let fault: string | null

beforeEach(() => {
  vi.useFakeTimers()
  setActivePinia(createPinia())
  installFeatures([])
  asked = []
  whole = []
  fault = null
  const ask = (frame: FeatureFrame) => {
    asked.push(frame)
    if (fault) return Promise.reject(new RequestFailed(fault as 'rate_limited', 'The server says no.'))
    const found = NAMES.filter((name) => name.includes(String(frame.query)))
    const start = Number(frame.after ?? 0)
    return Promise.resolve({ type: 'list.page', items: found.slice(start, start + 2), next: start + 2 < found.length ? String(start + 2) : null })
  }
  useConnection().chat = () => ({ ask }) as unknown as ChatSocket
})

afterEach(() => {
  app.unmount()
  vi.useRealTimers()
})

function listed(query = ref('')): Pages<string> {
  let pages!: Pages<string>
  app = createApp({
    setup() {
      pages = useFilteredList(() => 'lobby', 'polls', query, (after) => (whole.push(after), Promise.resolve({ items: NAMES, next: null })))
      return () => null
    },
  })
  app.mount(document.createElement('div'))
  return pages
}

test('an empty field lists everything, a typed text asks the server once', async () => {
  const query = ref('')
  const pages = listed(query)
  await vi.advanceTimersByTimeAsync(0)
  expect(pages.items.value).toEqual(NAMES)
  for (const typed of ['t', 'te', ' tea ']) {
    query.value = typed
    await vi.advanceTimersByTimeAsync(PAUSE / 2)
  }
  await vi.advanceTimersByTimeAsync(PAUSE)
  expect(asked).toEqual([{ type: 'list.filter', room: 'lobby', list: 'polls', query: 'tea', after: null }])
  expect([pages.items.value, pages.more.value]).toEqual([['tea', 'team'], true])
  await pages.loadMore()
  expect(asked[1]).toMatchObject({ query: 'tea', after: '2' })
  expect([pages.items.value, pages.more.value]).toEqual([['tea', 'team', 'steam'], false])
  query.value = ''
  await vi.advanceTimersByTimeAsync(PAUSE)
  expect([pages.items.value, whole]).toEqual([NAMES, [null, null]])
})

test('a refusal is explained in a sentence, and the list can be asked for again', async () => {
  const query = ref('tea')
  fault = 'rate_limited'
  const pages = listed(query)
  await vi.advanceTimersByTimeAsync(0)
  expect(pages.failure.value).not.toBe('')
  expect(pages.failure.value).not.toBe('The server says no.')
  fault = null
  await pages.reload()
  expect([pages.failure.value, pages.items.value]).toEqual(['', ['tea', 'team']])
})

test('Escape clears the field and goes no further; an empty field leaves it to the dialog', async () => {
  const query = ref('')
  const escaped: string[] = []
  const root = document.createElement('div')
  root.addEventListener('keydown', () => escaped.push(query.value))
  app = createApp({
    setup: () => () =>
      h(FilterField, { modelValue: query.value, 'onUpdate:modelValue': (text: string) => (query.value = text), label: 'Search polls', found: query.value ? 2 : null }),
  })
  app.mount(root)
  const field = root.querySelector('input')!
  const escape = () => field.dispatchEvent(new KeyboardEvent('keydown', { key: 'Escape', bubbles: true }))
  escape()
  expect(escaped).toEqual([''])
  field.value = 'tea'
  field.dispatchEvent(new Event('input'))
  await nextTick()
  expect(root.querySelector('[role=status]')!.textContent).toContain('2')
  escape()
  await nextTick()
  expect([query.value, escaped]).toEqual(['', ['']])
  expect(root.querySelector('[role=status]')!.textContent).toBe('')
})
