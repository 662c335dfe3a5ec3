// @vitest-environment happy-dom
import { createPinia, setActivePinia } from 'pinia'
import { afterEach, beforeEach, expect, test, vi } from 'vitest'
import { createApp, nextTick, ref, type App } from 'vue'
import type { Page } from '../src/api'
import type { Hello } from '../src/protocol'
import { useConnection } from '../src/stores/connection'
import { useAsking } from '../src/ui/useAsking'
import { usePages, type Pages } from '../src/ui/usePages'

const NAMES = ['ada', 'alan', 'bob', 'barbara', 'eve']
let app: App
let asked: [string, string | null][]
/** answers are given by hand, in any order */
let answers: (() => void)[]
let fault: string

beforeEach(() => {
  vi.useFakeTimers()
  asked = []
  answers = []
  fault = ''
  setActivePinia(createPinia())
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
    return new Promise((resolve, reject) => answers.push(() => (fault ? reject(new Error(fault)) : resolve(page))))
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

const OPEN = { name: 'open', hello: {} as Hello } as const

test('a page that failed is asked for again with the next connection, and no other', async () => {
  const pages = listed()
  await answer()
  void pages.loadMore()
  fault = 'The connection was lost.'
  await answer()
  expect([pages.failure.value, pages.items.value]).toEqual([fault, ['ada', 'alan']])
  fault = ''
  useConnection().state = OPEN
  await nextTick()
  await answer()
  expect([pages.failure.value, pages.items.value]).toEqual(['', ['ada', 'alan', 'bob', 'barbara']])
  useConnection().state = { name: 'connecting' }
  await nextTick()
  useConnection().state = OPEN
  await nextTick()
  expect(asked).toEqual([['', null], ['', '2'], ['', '2']])
})

test('a question typed before there is a connection is asked again once there is one', async () => {
  const [query, failure] = [ref(''), ref('')]
  const answered: string[] = []
  app = createApp({
    setup() {
      useAsking([query], 100, failure, async (isWanted) => {
        const wanted = query.value
        await Promise.resolve()
        if (!isWanted()) return
        failure.value = useConnection().isOpen ? '' : 'There is no connection.'
        if (!failure.value) answered.push(wanted)
      })
      return () => null
    },
  })
  app.mount(document.createElement('div'))
  query.value = 'tea'
  await vi.advanceTimersByTimeAsync(100)
  expect([failure.value, answered]).toEqual(['There is no connection.', []])
  useConnection().state = OPEN
  await vi.advanceTimersByTimeAsync(0)
  expect([failure.value, answered]).toEqual(['', ['tea']])
})
