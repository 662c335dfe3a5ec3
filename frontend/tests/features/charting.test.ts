// @vitest-environment happy-dom
import { createPinia } from 'pinia'
import { afterEach, beforeEach, expect, test, vi } from 'vitest'
import { createApp, type App } from 'vue'
import SensorsPanel from '../../src/features/sensors/SensorsPanel.vue'
import type { Hello } from '../../src/protocol'
import { useConnection } from '../../src/stores/connection'

const wire = vi.hoisted(() => ({ live: undefined as unknown as (frame: object) => void }))
vi.mock('../../src/features/client', () => ({ onLive: (_: string, handle: (frame: object) => void) => (wire.live = handle) }))
vi.mock('../../src/features/filtering', async () => {
  const { ref } = await import('vue')
  return { useFilteredList: () => ({ items: ref([]), more: ref(false), answered: ref(false), failure: ref(''), reload: () => undefined, loadMore: () => undefined }) }
})
const drawn = vi.hoisted(() => [] as number[][][])
vi.mock('../../src/features/sensors/SensorChart.vue', () => ({
  default: { render: () => null, methods: { draw: (columns: number[][]) => void drawn.push(structuredClone(columns)) } },
}))

const NOW = Date.UTC(2026, 2, 1)
let app: App
let root: HTMLElement
let asked: string[]
let listed: { value: number; at: number }

beforeEach(() => {
  vi.useFakeTimers({ now: NOW })
  asked = []
  drawn.length = 0
  vi.stubGlobal('fetch', (address: string) => {
    const isList = address.endsWith('/sensors')
    asked.push(isList ? 'list' : 'series')
    const sensors = [{ sensor_id: 'a', value: listed.value, at: new Date(listed.at).toISOString(), alarm: null }]
    return Promise.resolve(Response.json(isList ? { sensors } : { points: [], columns: [] }))
  })
  app = createApp(SensorsPanel, { room: 'r' })
  app.use(createPinia())
  useConnection().state = { name: 'open', hello: {} as Hello }
  root = document.body.appendChild(document.createElement('div'))
})
afterEach(() => {
  app.unmount()
  vi.useRealTimers()
  vi.unstubAllGlobals()
})

async function again(): Promise<void> {
  useConnection().state = { name: 'connecting' }
  await vi.advanceTimersByTimeAsync(100)
  useConnection().state = { name: 'open', hello: {} as Hello }
  await vi.advanceTimersByTimeAsync(100)
}

test('live charts and values are read again after a lost connection', async () => {
  listed = { value: 1, at: NOW }
  app.mount(root)
  await vi.advanceTimersByTimeAsync(100)
  expect(root.querySelector('output')!.textContent).toBe('1')
  listed = { value: 2, at: NOW + 5_000 }
  await again()
  expect(asked).toEqual(['list', 'series', 'list', 'series'])
  expect(root.querySelector('output')!.textContent).toBe('2')
})

test('a listed value does not replace a later live one', async () => {
  listed = { value: 1, at: NOW }
  app.mount(root)
  await vi.advanceTimersByTimeAsync(100)
  wire.live({ room: 'r', values: [{ key: 'a', value: { value: 7, at: NOW + 9_000 } }] })
  await again()
  expect(root.querySelector('output')!.textContent).toBe('7')
})

test('a chart is drawn once its series has come', async () => {
  listed = { value: 1, at: NOW - 100_000 }
  const fetched = globalThis.fetch
  let answer = (): void => undefined
  vi.stubGlobal('fetch', async (address: string) => {
    if (address.includes('/series')) await new Promise<void>((resolve) => (answer = resolve))
    return fetched(address)
  })
  app.mount(root)
  await vi.advanceTimersByTimeAsync(3_000)
  expect(drawn).toEqual([])
  answer()
  await vi.advanceTimersByTimeAsync(3_000)
  expect(drawn.at(-1)).toEqual([[], [], [], []])
})
