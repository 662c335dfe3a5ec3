import { expect, test } from 'vitest'
import { shallowRef } from 'vue'
import type { MessageEvent } from '../src/protocol'
import { countBelow, followsOn } from '../src/rooms/countBelow'
import { buildRows, firstUnread, type RowSources } from '../src/rooms/rows'
import { useWindow } from '../src/rooms/useWindow'
import type { Messages } from '../src/stores/timeline'
import { range } from './support/client'

function message(seq: number, author = 1, at = '2026-03-01T12:00:00Z', key?: string): MessageEvent {
  const from = { id: author, name: `p${author}` }
  return { type: 'message', room: 'lobby', seq, from, at, text: '', edited: false, deleted: false, reactions: {}, ...(key && { key }) }
}

function windowOver(count: number) {
  const messages = shallowRef<Messages>(range(1, count).map((seq) => message(seq)))
  const view = useWindow(messages)
  const shown = () => [view.visible.value[0]?.seq, view.visible.value.at(-1)?.seq]
  return { messages, view, shown }
}

test('shows the latest messages first', () => {
  const { view, shown } = windowOver(10_000)
  expect(shown()).toEqual([9_921, 10_000])
  expect(view.atEnd.value).toBe(true)
  expect(view.atStart.value).toBe(false)
})

test('scrolling through ten thousand messages never draws more than 240', () => {
  const { view, shown } = windowOver(10_000)
  let steps = 0
  while (!view.atStart.value && steps++ < 1_000) {
    view.up()
    expect(view.visible.value.length).toBeLessThanOrEqual(240)
  }
  expect(shown()).toEqual([1, 240])
  while (!view.atEnd.value && steps++ < 1_000) {
    view.down()
    expect(view.visible.value.length).toBeLessThanOrEqual(240)
  }
  expect(shown()).toEqual([9_761, 10_000])
})

test('keeps its place while older messages come in front of it', () => {
  const { messages, view, shown } = windowOver(50)
  view.up()
  messages.value = [...range(-49, 0).map((seq) => message(seq)), ...messages.value]
  view.hold()
  expect(shown()).toEqual([1, 50])
  view.up()
  expect(shown()).toEqual([-49, 50])
})

test('away from the bottom, new messages do not push it on', () => {
  const { messages, view, shown } = windowOver(1_000)
  view.up()
  view.hold()
  const [first] = shown()
  for (const seq of range(1_001, 1_400)) {
    messages.value = [...messages.value, message(seq)]
    view.hold()
  }
  expect(shown()[0]).toBe(first)
  expect(view.visible.value.length).toBeLessThanOrEqual(241)
  expect(view.atEnd.value).toBe(false)
  view.reset()
  expect(shown()).toEqual([1_321, 1_400])
})

test('the window opens around a message with some above it', () => {
  const { view, shown } = windowOver(1_000)
  view.around(500)
  expect(shown()).toEqual([470, 549])
  expect(view.atEnd.value).toBe(false)
  view.around(1_000)
  expect(shown()).toEqual([970, 1_000])
  expect(view.atEnd.value).toBe(true)
})

test('a window held at its last message opens when it is followed', () => {
  const { messages, view, shown } = windowOver(600)
  while (!view.atStart.value) view.up()
  messages.value = messages.value.slice(0, 240)
  expect(shown()).toEqual([1, 240])
  view.follow()
  messages.value = [...messages.value, message(601)]
  expect(shown()[1]).toBe(601)
})

test('a window whose messages were dropped shows the nearest ones', () => {
  const { messages, view, shown } = windowOver(1_000)
  view.around(100)
  messages.value = messages.value.slice(-400)
  expect(shown()).toEqual([601, 680])
  view.around(900)
  messages.value = messages.value.slice(0, 100)
  expect(shown()).toEqual([621, 700])
})

function rowsOf(changes: Partial<RowSources>) {
  return buildRows({ messages: [], awaitingEvent: [], unsent: [], me: 1, firstNew: null, ...changes })
}

const kinds = (rows: ReturnType<typeof buildRows>) => rows.map((row) => ('groupStart' in row ? (row.groupStart ? 'start' : 'follow') : row.kind))

test('messages of one author in a row share one head for five minutes', () => {
  const rows = rowsOf({
    messages: [
      message(1, 1, '2026-03-01T12:00:00Z'),
      message(2, 1, '2026-03-01T12:04:59Z'),
      message(3, 2, '2026-03-01T12:05:00Z'),
      message(4, 2, '2026-03-01T12:11:00Z'),
    ],
  })
  expect(kinds(rows)).toEqual(['day', 'start', 'follow', 'start', 'start'])
})

test('each day begins with its name', () => {
  const rows = rowsOf({ messages: [message(1, 1, '2026-03-01T12:00:00Z'), message(2, 1, '2026-03-03T12:00:00Z')] })
  expect(kinds(rows)).toEqual(['day', 'start', 'day', 'start'])
})

test('the first message of others above the read mark is marked as new, once', () => {
  const messages = [message(1, 2), message(2, 1), message(3, 2), message(4, 2)]
  const rows = rowsOf({ messages, firstNew: firstUnread(messages, false, 1, 1) })
  expect(kinds(rows)).toEqual(['day', 'start', 'start', 'new', 'start', 'follow'])
  expect(firstUnread([message(1, 2)], false, 1, 1)).toBeNull()
  // A program's, in the person's name: an alarm of a sensor.
  expect(firstUnread([message(1, 2), message(2, 1), { ...message(3, 1), bot: true }], false, 1, 1)).toBe(3)
  expect(firstUnread(messages, false, null, 1)).toBeNull()
})

test('no message is marked as new when older unread ones may be missing', () => {
  const latest = [message(90, 2), message(91, 2)]
  expect(firstUnread(latest, true, 10, 1)).toBeNull()
  expect(firstUnread(latest, true, 89, 1)).toBe(90)
  expect(firstUnread(latest, false, 10, 1)).toBe(90)
})

test('messages below the view are counted, unloaded ones by the server', () => {
  const past = [message(1, 2), message(2, 1), message(3, 2)]
  const latest = [message(10, 2), message(11, 1), message(12, 2)]
  const unread = { count: 6, lastReadSeq: 1 }
  expect(countBelow({ messages: latest, past: null, more: false }, 10, 1, unread)).toBe(1)
  expect(countBelow({ messages: latest, past, more: false }, 1, 1, unread)).toBe(6)
  expect(countBelow({ messages: latest, past, more: false }, 3, 1, unread)).toBe(4)
  expect(countBelow({ messages: latest, past: null, more: false }, 12, 1, unread)).toBe(0)
})

test('messages that a jump left out are not seen', () => {
  const list = [message(10), message(12), message(15), message(20)]
  expect([10, 12, 15, 20].map((first) => followsOn(list, false, 12, first))).toEqual([true, true, true, false])
  // Older ones are not loaded: some of them may be unread.
  expect(followsOn(list, true, 4, 10)).toBe(false)
  expect(followsOn(list, false, 4, 10)).toBe(true)
  expect(followsOn(list, true, 9, 10)).toBe(true)
})

test('a message on its way becomes the stored one without a second row', () => {
  const outgoing = { key: 'k', destination: { room: 'lobby' }, type: 'message.send', fields: { text: '' }, at: Date.parse('2026-03-01T12:01:00Z'), state: 'sending', error: null } as const
  const before = rowsOf({ messages: [message(1)], unsent: [outgoing] })
  const awaitingEvent = rowsOf({ messages: [message(1)], awaitingEvent: [outgoing], unsent: [outgoing] })
  const after = rowsOf({ messages: [message(1), message(2, 1, '2026-03-01T12:01:00Z', 'k')], unsent: [outgoing] })
  for (const rows of [before, awaitingEvent, after]) expect(rows.map(({ key }) => key)).toEqual(['day-1', '1', 'k'])
})

test('no two rows share a key when clocks disagree about the day', () => {
  const rows = rowsOf({
    messages: [message(1, 1, '2026-03-02T00:30:00Z'), message(2, 2, '2026-03-01T12:00:00Z'), message(3, 1, '2026-03-02T12:00:00Z')],
  })
  expect(new Set(rows.map(({ key }) => key)).size).toBe(rows.length)
})
