import { createPinia, setActivePinia } from 'pinia'
import { afterEach, beforeEach, expect, test, vi } from 'vitest'
import type { ChatSocket, ChatSocketEvents } from '../../src/socket'
import { Emitter } from '../../src/socket/emitter'
import { forgetServerTime } from '../../src/stores/clock'
import { useLiveValues } from '../../src/stores/live'

const START = Date.parse('2026-03-01T12:00:00Z')
const iso = (seconds: number) => new Date(START + seconds * 1_000).toISOString()
const value = (key: string, at: number, content: unknown = at, lasts = 15) => ({
  key, from: { id: 1, name: 'ada' }, value: content, at: iso(at), expires: iso(at + lasts),
})

beforeEach(() => {
  vi.useFakeTimers({ now: START })
  forgetServerTime()
  setActivePinia(createPinia())
})
afterEach(() => vi.useRealTimers())

function take(...values: ReturnType<typeof value>[]): void {
  useLiveValues().take({ type: 'live', room: 'lobby', topic: 'position', values })
}

const shown = () => [...useLiveValues().of('lobby', 'position').values()].map(({ key, value: content }) => `${key} ${content}`).sort()

test('the newest value of a key wins in any order', () => {
  take(value('ada', 2), value('bob', 1))
  take(value('ada', 1), value('bob', 3))
  expect(shown()).toEqual(['ada 2', 'bob 3'])
})

test('an expired value goes away by itself', async () => {
  take(value('ada', 0), value('bob', 0, 'b', 60))
  await vi.advanceTimersByTimeAsync(14_000)
  expect(shown()).toEqual(['ada 0', 'bob b'])
  await vi.advanceTimersByTimeAsync(2_000)
  expect(shown()).toEqual(['bob b'])
  await vi.advanceTimersByTimeAsync(60_000)
  expect(shown()).toEqual([])
  expect(vi.getTimerCount()).toBe(0)
})

test.each([-600, 600])('a clock that is %i s off neither hides values nor keeps them', async (off) => {
  vi.setSystemTime(START + off * 1_000)
  take(value('ada', 0))
  expect(shown()).toEqual(['ada 0'])
  await vi.advanceTimersByTimeAsync(16_000)
  expect(shown()).toEqual([])
})

test('a value that was taken back is gone at once, and no late one brings it back', () => {
  take(value('ada', 1))
  take(value('ada', 3, null))
  expect(shown()).toEqual([])
  take(value('ada', 2))
  expect(shown()).toEqual([])
  take(value('ada', 4))
  expect(shown()).toEqual(['ada 4'])
})

test('a topic holds a bounded number of keys, the newest', () => {
  for (let n = 0; n < 2_500; n += 500) take(...Array.from({ length: 500 }, (_, index) => value(`k${n + index}`, 1)))
  const keys = [...useLiveValues().of('lobby', 'position').keys()]
  expect(keys).toHaveLength(2_000)
  expect(keys.at(-1)).toBe('k2499')
  expect(keys).not.toContain('k0')
})

test('a renamed person has the new name at once in kept values', () => {
  const socket = new Emitter<ChatSocketEvents>()
  const live = useLiveValues()
  live.listen(socket as unknown as ChatSocket, new Set(['position']))
  take(value('1', 1), { ...value('2', 1), from: { id: 2, name: 'bob' } })
  socket.emit('user.updated', { type: 'user.updated', user: { id: 2, name: 'robert' } })
  expect([...live.of('lobby', 'position').values()].map(({ from }) => from.name)).toEqual(['ada', 'robert'])
})
