import { expect, test } from 'vitest'
import type { LogEvent, MessageEvent } from '../src/protocol'
import { applyEvents, position, prepend } from '../src/stores/timeline'
import { range } from './support/client'

const at = '2026-03-01T12:00:00Z'
const ada = { id: 1, name: 'ada' }
const bob = { id: 2, name: 'bob' }

function message(seq: number, changes: Partial<MessageEvent> = {}): MessageEvent {
  return { type: 'message', room: 'lobby', seq, from: ada, at, text: `m${seq}`, edited: false, deleted: false, reactions: {}, ...changes }
}

const rest = { room: 'lobby', from: bob, at }
const edit = (seq: number, target: number, text: string): LogEvent => ({ type: 'message.edited', seq, target, text, ...rest })
const removal = (seq: number, target: number): LogEvent => ({ type: 'message.deleted', seq, target, ...rest })
const reaction = (seq: number, target: number, on: boolean): LogEvent => ({ type: 'reaction', seq, target, emoji: '👍', on, ...rest })

test('messages are kept in the order of their seq', () => {
  const list = applyEvents([], [message(1), message(4)])
  expect(applyEvents(list, [message(3)]).map(({ seq }) => seq)).toEqual([1, 3, 4])
})

test('every kind of event may come twice', () => {
  const events = [message(1), message(2), edit(3, 1, 'better'), removal(4, 2), reaction(5, 1, true)]
  const once = applyEvents([], events)
  expect(applyEvents(once, events.slice(2))).toEqual(once)
  expect(once[0]).toMatchObject({ text: 'better', edited: true, reactions: { '👍': [2] } })
  expect(once[1]).toMatchObject({ text: '', deleted: true })
})

test('a message that was replayed in its present state is not changed by what led there', () => {
  const present = applyEvents([], [message(1, { text: '', deleted: true })])
  expect(applyEvents(present, [edit(2, 1, 'older text'), removal(3, 1)])).toEqual(present)
})

test('a reaction can be taken back', () => {
  const list = applyEvents([message(1, { reactions: { '👍': [2, 3] } })], [reaction(2, 1, false)])
  expect(list[0]!.reactions).toEqual({ '👍': [3] })
  expect(applyEvents([message(1, { reactions: { '👍': [2] } })], [reaction(2, 1, false)])[0]!.reactions).toEqual({})
})

test('events about messages that are not loaded change nothing, not even the list', () => {
  const list = applyEvents([], [message(5)])
  expect(applyEvents(list, [edit(6, 2, 'x'), removal(7, 3), reaction(8, 1, true)])).toBe(list)
})

test('older messages come first, and what is loaded already wins', () => {
  const list = applyEvents([], [message(3, { text: 'edited since' }), message(4)])
  const all = prepend(list, [message(1), message(2), message(3)])
  expect(all.map(({ seq, text }) => [seq, text])).toEqual([[1, 'm1'], [2, 'm2'], [3, 'edited since'], [4, 'm4']])
})

test('a position is found among thousands', () => {
  const list = range(1, 10_000).map((n) => message(n * 2))
  expect(position(list, 2)).toBe(0)
  expect(position(list, 9_999)).toBe(4_999)
  expect(position(list, 30_000)).toBe(10_000)
})

const poll = (seq: number, tally: number[]): LogEvent => ({ type: 'poll' as never, seq, question: 'Tea?', tally, key: 'k', ...rest })
const vote = (seq: number, target: number, state: object): LogEvent => ({ type: 'poll.voted' as never, seq, target, state: state as never, ...rest })

test('an event that carries a state replaces its target, and keeps who began it', () => {
  const list = applyEvents([], [message(1), poll(2, [0, 0]), vote(3, 2, { question: 'Tea?', tally: [1, 0] })])
  expect(list.map(({ seq }) => seq)).toEqual([1, 2])
  expect(JSON.parse(JSON.stringify(list[1]))).toEqual({ type: 'poll', seq: 2, key: 'k', question: 'Tea?', tally: [1, 0], ...rest })
})

test('nothing of the state before stays', () => {
  const list = applyEvents([poll(2, [1]) as never], [vote(3, 2, { question: 'Tea?', closed: true })])
  expect(list[0]).not.toHaveProperty('tally')
  expect(list[0]).toMatchObject({ closed: true })
})

test('a state that is older than the one shown changes nothing', () => {
  const newest = applyEvents([], [poll(2, [0]), vote(5, 2, { tally: [2] })])
  expect(applyEvents(newest, [vote(4, 2, { tally: [1] }), vote(5, 2, { tally: [9] })])).toEqual(newest)
  const renamed = newest.map((event) => ({ ...event, from: ada }))
  expect(applyEvents(renamed, [vote(4, 2, { tally: [1] })])[0]).toMatchObject({ tally: [2], from: ada })
})

test('a state tries in vain to pass for another event', () => {
  const list = applyEvents([poll(2, [0]) as never], [vote(3, 2, { type: 'message', seq: 9, from: ada, room: 'other', tally: [] })])
  expect(list[0]).toMatchObject({ type: 'poll', seq: 2, from: bob, room: 'lobby' })
})

test('an unknown kind keeps its place, and is amended like any other', () => {
  const list = applyEvents([], [message(1), poll(2, []), message(3), vote(4, 2, { shape: 'new' }), vote(5, 1, {})])
  expect(list.map(({ seq, type }) => `${seq} ${type}`)).toEqual(['1 message', '2 poll', '3 message'])
  expect(list[1]).toMatchObject({ shape: 'new' })
})

test('the older kinds do nothing to what is no message', () => {
  const list = applyEvents([], [poll(2, [])])
  expect(applyEvents(list, [edit(3, 2, 'x'), removal(4, 2), reaction(5, 2, true)])).toEqual(list)
})
