// @vitest-environment happy-dom
import { createPinia, setActivePinia } from 'pinia'
import { afterEach, beforeEach, expect, test, vi } from 'vitest'
import { createApp, h, ref, type App } from 'vue'
import OpponentField from '../../src/features/chess/OpponentField.vue'
import type { Person } from '../../src/protocol'

const ADA = { id: 1, name: 'ada' }
const BOB = { id: 2, name: 'bob' }
const ZOE = { id: 900, name: 'zoe' }
/** milliseconds; longer than a search waits for the next key */
const TYPED = 1_000

let app: App
let page: HTMLElement
let asked: URLSearchParams[]
const chosen = ref<Person | null>(null)

async function open(large: boolean): Promise<void> {
  vi.stubGlobal('fetch', async (address: string) => {
    const query = new URL(address, 'http://here').searchParams
    asked.push(query)
    const wanted = query.get('query')
    const members = [ADA, BOB, ...(wanted || !large ? [ZOE] : [])].filter(({ name }) => name.startsWith(wanted ?? ''))
    const more = large && !wanted
    return Response.json({ members: members.map((one) => ({ ...one, role: 'member' })), more, next: more ? 'x' : null })
  })
  app = createApp({ render: () => h(OpponentField, { room: 'team', me: ADA.id, modelValue: chosen.value, 'onUpdate:modelValue': (one: Person | null) => (chosen.value = one) }) })
  app.mount(page)
  await vi.advanceTimersByTimeAsync(0)
}

const names = () => [...page.querySelectorAll('option, .opponent__name')].slice(1).map((one) => one.textContent)

async function pick(name: string): Promise<void> {
  const choice = page.querySelectorAll<HTMLInputElement>('.opponent input')[1 + names().indexOf(name)]!
  choice.checked = true
  choice.dispatchEvent(new Event('change'))
  await vi.advanceTimersByTimeAsync(0)
}

async function search(text: string): Promise<void> {
  const field = page.querySelector<HTMLInputElement>('input[type=search]')!
  field.value = text
  field.dispatchEvent(new Event('input'))
  await vi.advanceTimersByTimeAsync(TYPED)
}

beforeEach(() => {
  vi.useFakeTimers()
  setActivePinia(createPinia())
  page = document.body.appendChild(document.createElement('div'))
  asked = []
  chosen.value = null
})

afterEach(() => {
  app.unmount()
  vi.unstubAllGlobals()
  vi.useRealTimers()
})

test('a member beyond the first page is searched for, and stays chosen beside what is found later', async () => {
  await open(true)
  expect(names()).toEqual(['bob'])
  await search('zo')
  // The field stays while a search narrows the list.
  expect(page.querySelector('select')).toBeNull()
  expect(asked.at(-1)!.get('query')).toBe('zo')
  expect(names()).toEqual(['zoe'])
  await pick('zoe')
  expect(chosen.value!.id).toBe(ZOE.id)
  await search('b')
  expect(names()).toEqual(['zoe', 'bob'])
  expect(page.querySelector<HTMLInputElement>('.opponent:nth-of-type(2) input')!.checked).toBe(true)
})

test('a small room needs no search, and I am no opponent of mine', async () => {
  await open(false)
  expect(names()).toEqual(['bob', 'zoe'])
  expect(page.querySelector('input')).toBeNull()
})
