// @vitest-environment happy-dom
import { createPinia, setActivePinia } from 'pinia'
import { afterEach, beforeEach, expect, test, vi } from 'vitest'

const NOW = Date.parse('2026-01-01T12:00:00Z')
const POINT = { latitude: 1, longitude: 2, accuracy: null }
/** The server: the frames it received, and its reply to a place. */
const server = vi.hoisted(() => ({
  frames: [] as Record<string, unknown>[],
  answer: (): Promise<unknown> => Promise.resolve({}),
  /** the page's own: each load has its modules */
  RequestFailed: class extends Error {} as new (code: string, message: string) => Error,
}))
vi.mock('../../src/features/client', () => ({
  request: (frame: Record<string, unknown>) => {
    server.frames.push(frame)
    return server.answer()
  },
  sendDurable: (frame: Record<string, unknown>) => {
    server.frames.push(frame)
    return Promise.resolve({ seq: 7, at: new Date().toISOString() })
  },
}))

/** The device calls each of them with its position. */
const watchers = new Map<number, PositionCallback>()
const geolocation = {
  watchPosition: (moved: PositionCallback) => {
    watchers.set(watchers.size + 1, moved)
    return watchers.size
  },
  clearWatch: (id: number) => watchers.delete(id),
}

beforeEach(() => {
  vi.useFakeTimers({ now: NOW })
  vi.stubGlobal('navigator', { geolocation })
  localStorage.clear()
  watchers.clear()
  server.frames = []
  server.answer = () => Promise.resolve({})
})
afterEach(() => {
  vi.useRealTimers()
  vi.unstubAllGlobals()
})

/** Loads the page anew for a person. */
async function page({ me = 1, features = ['location'] } = {}) {
  vi.resetModules()
  setActivePinia(createPinia())
  const { useSession } = await import('../../src/stores/session')
  const { useConnection } = await import('../../src/stores/connection')
  server.RequestFailed = (await import('../../src/socket')).RequestFailed
  const { default: feature } = await import('../../src/features/location')
  const { running } = await import('../../src/features/location/running')
  const connection = useConnection()
  useSession().me = { id: me, name: `p${me}` }
  const hello = (on: string[]) => (connection.hello = { features: on } as NonNullable<typeof connection.hello>)
  hello(features)
  connection.state = { name: 'open', hello: connection.hello! }
  feature.start!({ on: () => () => undefined } as never, me)
  const sharing = await import('../../src/features/location/sharing')
  await settled()
  return { sharing, running, feature, hello }
}

const settled = () => vi.advanceTimersByTimeAsync(0)
const sent = (type: string) => server.frames.filter((frame) => frame.type === type)
const move = (latitude: number) => watchers.forEach((moved) => moved({ coords: { latitude, longitude: 3, accuracy: 4.4 } } as GeolocationPosition))

function refuseOnce(code: string, after_ms: number): void {
  server.answer = () => {
    server.answer = () => Promise.resolve({})
    return new Promise((_, reject) => setTimeout(() => reject(new server.RequestFailed(code, '')), after_ms))
  }
}

test.each([
  ['unavailable', 2_000],
  ['unavailable', 100],
  ['rate_limited', 2_000],
  ['timeout', 15_000],
  ['disconnected', 0],
])('a place that is refused as %s after %i ms is sent again', async (code, after_ms) => {
  const { sharing } = await page()
  refuseOnce(code, after_ms)
  await sharing.begin('r', 900, POINT)
  await vi.advanceTimersByTimeAsync(after_ms + 1_000)
  expect(sent('location.update')).toEqual([1, 2].map(() => ({ type: 'location.update', room: 'r', latitude: 1, longitude: 2 })))
  await vi.advanceTimersByTimeAsync(60_000)
  expect(sent('location.update')).toHaveLength(2)
})

test.each(['forbidden', 'feature_off', 'bad_frame'])('a place that is refused as %s is not sent again', async (code) => {
  const { sharing, running } = await page()
  refuseOnce(code, 100)
  await sharing.begin('r', 900, POINT)
  await vi.advanceTimersByTimeAsync(60_000)
  expect(sent('location.update')).toHaveLength(1)
  expect(running.has('r')).toBe(true)
})

test('a late refusal does not bring the place of a share that has ended into the next one', async () => {
  const { sharing } = await page()
  refuseOnce('unavailable', 2_000)
  await sharing.begin('r', 900, POINT)
  await vi.advanceTimersByTimeAsync(1_500)
  await sharing.stop('r')
  await sharing.begin('r', 900, { ...POINT, latitude: 5 })
  await vi.advanceTimersByTimeAsync(60_000)
  expect(sent('location.update').map(({ latitude }) => latitude)).toEqual([1, 5])
})

test('a share goes on after a reload, and where the device was is not kept', async () => {
  const { sharing } = await page()
  await sharing.begin('r', 900, null)
  move(50)
  await sharing.begin('s', 900, POINT)
  const kept = JSON.parse(localStorage.getItem('hubbub.location.1')!) as [string, { place: unknown }][]
  expect(kept.map(([room, { place }]) => [room, place])).toEqual([['r', null], ['s', POINT]])
  const again = await page()
  expect([...again.running.keys()]).toEqual(['r', 's'])
  expect(again.running.get('r')?.place).toBeNull()
  expect(watchers.size).toBe(2) // the page before never ended
})

test('the next person of a browser shares nothing', async () => {
  localStorage.setItem('location.shares', JSON.stringify([['r', { seq: 7, place: POINT, device: true, until: new Date(NOW + 900_000).toISOString() }]]))
  const ada = await page()
  expect(ada.running.size).toBe(0)
  expect(localStorage.getItem('location.shares')).toBeNull()
  await ada.sharing.begin('r', 900, null)
  watchers.clear()
  server.frames = []
  const bob = await page({ me: 2 })
  expect(bob.running.size).toBe(0)
  expect(watchers.size).toBe(0)
  await bob.feature.signOut!()
  expect(server.frames).toEqual([])
})

test('nothing of a share is left after its end', async () => {
  const { sharing } = await page()
  await sharing.begin('r', 900, null)
  await sharing.stop('r')
  expect(localStorage.length).toBe(0)
  expect(watchers.size).toBe(0)
})

test('signing out ends the shares of every tab', async () => {
  const one = await page()
  const other = await page()
  await one.sharing.begin('r', 900, null)
  await other.sharing.begin('s', 900, POINT)
  await other.feature.signOut!()
  expect(sent('location.stop').map(({ room, target }) => [room, target])).toEqual([['s', 7], ['r', 7]])
  expect(localStorage.length).toBe(0)
})

test('the device is not watched while the feature is off', async () => {
  const { sharing } = await page()
  await sharing.begin('r', 900, null)
  watchers.clear()
  const { running, hello } = await page({ features: [] })
  expect(running.has('r')).toBe(true)
  expect(watchers.size).toBe(0)
  hello(['location'])
  await settled()
  expect(watchers.size).toBe(1)
  move(50)
  expect(sent('location.update')).toHaveLength(1)
  hello([])
  await settled()
  expect(watchers.size).toBe(0)
})
