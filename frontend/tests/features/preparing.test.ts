// @vitest-environment happy-dom
import { createPinia } from 'pinia'
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest'
import { createApp, type App } from 'vue'
import { createMemoryHistory, createRouter } from 'vue-router'
import NotificationAgent from '../../src/features/notifications/NotificationAgent.vue'
import type { FeatureFrame, Hello } from '../../src/protocol'
import { useConnection } from '../../src/stores/connection'
import { useSession } from '../../src/stores/session'

const wire = vi.hoisted(() => ({ pushes: new Map<string, (frame: object) => void>(), claimed: [] as number[] }))
vi.mock('../../src/features/client', () => ({
  onPush: (type: string, handle: (frame: object) => void) => wire.pushes.set(type, handle),
  request: (frame: FeatureFrame) => {
    wire.claimed.push(frame.target as number)
    return Promise.resolve({ first: false })
  },
}))
vi.mock('../../src/features/notifications/push', () => ({ mend: () => Promise.resolve() }))

const ANSWER_MS = 50
let app: App
let asked: number
let failures: number

beforeEach(() => {
  vi.useFakeTimers()
  vi.stubGlobal('BroadcastChannel', class {
    postMessage(): void {}
    close(): void {}
  })
  asked = 0
  wire.claimed.length = 0
  vi.stubGlobal('fetch', async () => {
    const fails = ++asked <= failures
    await new Promise((resolve) => setTimeout(resolve, ANSWER_MS))
    if (fails) return new Response('', { status: 503 })
    return Response.json({ sound: false, browser: false, quiet: null, rooms: {}, devices: [] })
  })
  app = createApp(NotificationAgent)
  app.use(createPinia()).use(createRouter({ history: createMemoryHistory(), routes: [{ path: '/', component: NotificationAgent }] }))
  useSession().me = { id: 1, name: 'ada' } as never
  useConnection().state = { name: 'open', hello: {} as Hello }
})
afterEach(() => {
  app.unmount()
  vi.useRealTimers()
  vi.unstubAllGlobals()
})

const notify = (target: number) => wire.pushes.get('notify')!({ type: 'notify', room: 'lobby', target, reason: 'mention', from: { id: 2, name: 'bob' }, text: 'x' })

test('the latest twenty notices wait for settings that come late', async () => {
  failures = 3
  app.mount(document.createElement('div'))
  for (let target = 1; target <= 25; target += 1) notify(target)
  await vi.advanceTimersByTimeAsync(500)
  expect([asked, wire.claimed]).toEqual([1, []])
  await vi.advanceTimersByTimeAsync(30_000)
  expect(asked).toBe(4)
  expect(wire.claimed).toEqual(Array.from({ length: 20 }, (_, index) => index + 6))
  notify(26)
  await vi.advanceTimersByTimeAsync(2_000)
  expect(wire.claimed.at(-1)).toBe(26)
})

describe.each([['before', 20], ['after', 100]])('%s the answer', (_, pause) => {
  test('a lost connection ends the asking', async () => {
    failures = Infinity
    app.mount(document.createElement('div'))
    await vi.advanceTimersByTimeAsync(pause)
    useConnection().state = { name: 'connecting' }
    await vi.advanceTimersByTimeAsync(120_000)
    expect(asked).toBe(1)
  })

  test('an agent that is gone asks no more', async () => {
    failures = Infinity
    app.mount(document.createElement('div'))
    await vi.advanceTimersByTimeAsync(pause)
    app.unmount()
    await vi.advanceTimersByTimeAsync(120_000)
    expect(asked).toBe(1)
  })
})
