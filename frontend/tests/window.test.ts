import { expect, test } from 'vitest'
import { shallowRef } from 'vue'
import type { MessageEvent } from '../src/protocol'
import { buildRows, type RowSources } from '../src/rooms/rows'
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

function rowsOf(changes: Partial<RowSources>) {
  return buildRows({ messages: [], settling: [], unsent: [], me: 1, readUpto: null, ...changes })
}

const kinds = (rows: ReturnType<typeof buildRows>) => rows.map((row) => ('lead' in row ? (row.lead ? 'lead' : 'follow') : row.kind))

test('messages of one author in a row share one head for five minutes', () => {
  const rows = rowsOf({
    messages: [
      message(1, 1, '2026-03-01T12:00:00Z'),
      message(2, 1, '2026-03-01T12:04:59Z'),
      message(3, 2, '2026-03-01T12:05:00Z'),
      message(4, 2, '2026-03-01T12:11:00Z'),
    ],
  })
  expect(kinds(rows)).toEqual(['day', 'lead', 'follow', 'lead', 'lead'])
})

test('each day begins with its name', () => {
  const rows = rowsOf({ messages: [message(1, 1, '2026-03-01T12:00:00Z'), message(2, 1, '2026-03-03T12:00:00Z')] })
  expect(kinds(rows)).toEqual(['day', 'lead', 'day', 'lead'])
})

test('the first message of others above the read mark is marked as new, once', () => {
  const rows = rowsOf({ messages: [message(1, 2), message(2, 1), message(3, 2), message(4, 2)], readUpto: 1 })
  expect(kinds(rows)).toEqual(['day', 'lead', 'lead', 'new', 'lead', 'follow'])
  expect(kinds(rowsOf({ messages: [message(1, 2)], readUpto: 1 }))).toEqual(['day', 'lead'])
})

test('a message on its way becomes the stored one without a second row', () => {
  const outgoing = { key: 'k', destination: { room: 'lobby' }, text: '', at: Date.parse('2026-03-01T12:01:00Z'), state: 'sending', error: null } as const
  const before = rowsOf({ messages: [message(1)], unsent: [outgoing] })
  const settling = rowsOf({ messages: [message(1)], settling: [outgoing], unsent: [outgoing] })
  const after = rowsOf({ messages: [message(1), message(2, 1, '2026-03-01T12:01:00Z', 'k')], unsent: [outgoing] })
  for (const rows of [before, settling, after]) expect(rows.map(({ key }) => key)).toEqual(['day-1', '1', 'k'])
})

test('no two rows share a key when clocks disagree about the day', () => {
  const rows = rowsOf({
    messages: [message(1, 1, '2026-03-02T00:30:00Z'), message(2, 2, '2026-03-01T12:00:00Z'), message(3, 1, '2026-03-02T12:00:00Z')],
  })
  expect(new Set(rows.map(({ key }) => key)).size).toBe(rows.length)
})
