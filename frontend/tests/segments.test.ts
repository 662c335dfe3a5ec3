import { expect, test } from 'vitest'
import type { MessageEvent } from '../src/protocol'
import { MAX_MESSAGES, shown, withEvents, withNewer, withOlder, withoutKinds, withoutPast, withPlace, type Segments } from '../src/stores/segments'
import { range } from './support/client'

const rest = { room: 'lobby', from: { id: 1, name: 'ada' }, at: '2026-03-01T12:00:00Z' }

function messages(first: number, last: number): MessageEvent[] {
  return range(first, last).map((seq) => ({ type: 'message', seq, text: `m${seq}`, edited: false, deleted: false, reactions: {}, ...rest }))
}

function loaded(first: number, last: number): Segments {
  return { messages: messages(first, last), past: null, more: first > 1 }
}

const span = (segments: Segments) => [shown(segments)[0]?.seq, shown(segments).at(-1)?.seq]

test('kinds that are switched off go from both parts', () => {
  const poll = { ...rest, type: 'poll', seq: 7 } as never
  const next = withoutKinds({ messages: [...messages(8, 9), poll], past: [...messages(1, 2), poll], more: false }, new Set(['poll']))
  expect([next.messages.map(({ seq }) => seq), next.past?.map(({ seq }) => seq)]).toEqual([[8, 9], [1, 2]])
})

test('a live event leaves the place of a reader far above', () => {
  const full = loaded(1, MAX_MESSAGES)
  const next = withEvents(full, messages(MAX_MESSAGES + 1, MAX_MESSAGES + 1), 40)
  expect(span(next)).toEqual([1, MAX_MESSAGES / 2])
  expect(next.messages.at(-1)!.seq).toBe(MAX_MESSAGES + 1)
  expect(next.messages.length + next.past!.length).toBeLessThan(MAX_MESSAGES)
  expect(next.more).toBe(false)
})

test('a reader near the end keeps one list when it is shortened', () => {
  const next = withEvents(loaded(1, MAX_MESSAGES), messages(MAX_MESSAGES + 1, MAX_MESSAGES + 1), 11_500)
  expect(next.past).toBeNull()
  expect(span(next)).toEqual([8_500, MAX_MESSAGES + 1])
  expect(next.more).toBe(true)
})

test('the list is shortened to its latest for a reader at the end', () => {
  const next = withEvents(loaded(1, MAX_MESSAGES), messages(MAX_MESSAGES + 1, MAX_MESSAGES + 1), null)
  expect(span(next)).toEqual([MAX_MESSAGES / 2 + 2, MAX_MESSAGES + 1])
  expect(next.more).toBe(true)
})

test('scrolling back for ever keeps a bounded part and the latest', () => {
  let segments = loaded(50_001, 50_050)
  for (let first = 50_001; first > 20_001; first -= 50) segments = withOlder(segments, messages(first - 50, first - 1), true)
  expect(shown(segments)[0]!.seq).toBe(20_001)
  expect(shown(segments).length).toBeLessThanOrEqual(MAX_MESSAGES)
  expect(segments.messages.at(-1)!.seq).toBe(50_050)
})

test('pages below a place meet the latest without hole or double', () => {
  let segments = withPlace(loaded(951, 1_000), messages(100, 219), true, false)
  expect(span(segments)).toEqual([100, 219])
  for (let last = 219; segments.past; last += 50) segments = withNewer(segments, messages(last + 1, Math.min(last + 50, 1_000)), last + 50 >= 1_000)
  expect(shown(segments).map(({ seq }) => seq)).toEqual(range(100, 1_000))
  expect(segments.more).toBe(true)
})

test('a page around a place that reaches the latest joins them', () => {
  const segments = withPlace(loaded(81, 130), messages(1, 119), false, false)
  expect(segments.past).toBeNull()
  expect(shown(segments).map(({ seq }) => seq)).toEqual(range(1, 130))
  expect(segments.more).toBe(false)
})

test('events amend both parts and new messages come to the latest only', () => {
  const segments = withPlace(loaded(951, 1_000), messages(100, 219), true, false)
  const edit = { type: 'message.edited', seq: 1_002, target: 150, text: 'better', ...rest } as const
  const next = withEvents(segments, [...messages(1_001, 1_001), edit], 150)
  expect(next.past!.find(({ seq }) => seq === 150)!.text).toBe('better')
  expect(next.past!.at(-1)!.seq).toBe(219)
  expect(next.messages.at(-1)!.seq).toBe(1_001)
})

test('going back to the latest says that older messages exist', () => {
  const segments = withoutPast({ messages: messages(951, 1_000), past: messages(1, 50), more: false })
  expect(span(segments)).toEqual([951, 1_000])
  expect(segments.more).toBe(true)
})
