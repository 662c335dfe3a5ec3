// @vitest-environment happy-dom
import { afterEach, beforeEach, expect, test, vi } from 'vitest'
import { createApp, nextTick, ref, type App } from 'vue'
import type { Page } from '../src/api'
import { usePages, type Pages } from '../src/ui/usePages'

const NAMES = ['ada', 'alan', 'bob', 'barbara', 'eve']
let app: App
let asked: [string, string | null][]
/** answers are given by hand, in any order */
let answers: (() => void)[]

beforeEach(() => {
  vi.useFakeTimers()
  asked = []
  answers = []
})

afterEach(() => {
  app.unmount()
  vi.useRealTimers()
})

function listed(query = ref('')): Pages<string> {
  let pages!: Pages<string>
  const ask = (wanted: string, after: string | null): Promise<Page<string>> => {
    asked.push([wanted, after])
    const found = NAMES.filter((name) => name.includes(wanted))
    const start = Number(after ?? 0)
    const page = { items: found.slice(start, start + 2), next: start + 2 < found.length ? String(start + 2) : null }
    return new Promise((resolve) => answers.push(() => resolve(page)))
  }
  app = createApp({
    setup() {
      pages = usePages(() => query.value, ask)
      return () => null
    },
  })
  app.mount(document.createElement('div'))
  return pages
}

async function answer(index = 0): Promise<void> {
  answers.splice(index, 1)[0]!()
  await vi.advanceTimersByTimeAsync(0)
}

test('pages are added one after the other, to the end', async () => {
  const pages = listed()
  await answer()
  expect([pages.items.value, pages.more.value]).toEqual([['ada', 'alan'], true])
  void pages.loadMore()
  void pages.loadMore()
  await answer()
  void pages.loadMore()
  await answer()
  expect([pages.items.value, pages.more.value]).toEqual([NAMES, false])
  void pages.loadMore()
  expect(asked).toEqual([['', null], ['', '2'], ['', '4']])
})

test('a question is asked once its typing has paused', async () => {
  const query = ref('')
  const pages = listed(query)
  await answer()
  for (const typed of ['b', 'bo', 'bob']) {
    query.value = typed
    await vi.advanceTimersByTimeAsync(50)
  }
  expect(pages.answered.value).toBe(false)
  await vi.advanceTimersByTimeAsync(200)
  await answer()
  expect(pages.items.value).toEqual(['bob'])
  expect(asked).toEqual([['', null], ['bob', null]])
})

test('a late answer to an older question changes nothing', async () => {
  const query = ref('')
  const pages = listed(query)
  query.value = 'eve'
  await nextTick()
  await vi.advanceTimersByTimeAsync(200)
  await answer(1)
  await answer(0)
  expect(pages.items.value).toEqual(['eve'])
  expect(pages.loading.value).toBe(false)
})
