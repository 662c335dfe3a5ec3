import { expect, test } from 'vitest'
import type { LogEvent, MessageEvent } from '../src/protocol'
import { isOwn } from '../src/ui/author'

const by = { room: 'lobby', seq: 1, from: { id: 1, name: 'ada' }, at: '2030-01-01T12:00:00Z' }
const message: MessageEvent = { ...by, type: 'message', text: 'hi', edited: false, deleted: false, reactions: {} }

function closed(key: string): LogEvent {
  return { ...by, type: 'poll.closed', target: 1, key } as unknown as LogEvent
}

test('events of the server or a program in my name are not my own', () => {
  expect(isOwn(message, 1)).toBe(true)
  expect(isOwn(message, 2)).toBe(false)
  expect(isOwn({ ...message, bot: true }, 1)).toBe(false)
  expect(isOwn(closed('k1'), 1)).toBe(true)
  expect(isOwn(closed('server:due:1:1893499200000'), 1)).toBe(false)
})
