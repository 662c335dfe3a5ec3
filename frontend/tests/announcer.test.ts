import { afterEach, beforeEach, expect, test, vi } from 'vitest'
import { announce, announcement } from '../src/ui/announcer'

beforeEach(() => void vi.useFakeTimers())
afterEach(() => {
  vi.runAllTimers()
  vi.useRealTimers()
})

test('sentences of one moment are read together', () => {
  announce('One.')
  announce('Two.')
  vi.advanceTimersByTime(500)
  expect(announcement.value).toBe('One. Two.')
})

test('of many sentences the latest are read and the others counted', () => {
  for (let number = 1; number <= 50; number++) announce(`${number}.`)
  vi.advanceTimersByTime(500)
  expect(announcement.value).toBe('47 more before. 48. 49. 50.')
})

test('a later sentence on a topic replaces the one before', () => {
  announce('Connection lost.', 'connection')
  announce('Connected again.', 'connection')
  vi.advanceTimersByTime(500)
  expect(announcement.value).toBe('Connected again.')
})

test('the same sentence is read again', () => {
  announce('One.')
  vi.advanceTimersByTime(500)
  const before = announcement.value
  announce('One.')
  vi.advanceTimersByTime(500)
  expect(announcement.value).not.toBe(before)
})
