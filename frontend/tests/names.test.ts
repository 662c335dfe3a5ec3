import { expect, test } from 'vitest'
import { renamedIn } from '../src/stores/names'
import { withName } from '../src/stores/segments'
import type { Messages } from '../src/stores/timeline'

const bob = { id: 2, name: 'robert' }
const ada = { id: 1, name: 'ada' }
const old = { id: 2, name: 'bob' }

test('a person is renamed wherever an event names them', () => {
  const game = { type: 'chess', room: 'r', seq: 1, from: ada, at: '', white: ada, black: old, moves: ['e2e4'], opponent: 2 }
  const scored = { type: 'quiz', room: 'r', seq: 2, from: old, at: '', scores: [{ ...ada, score: 9 }, { ...old, score: 7 }] }
  const answered = { type: 'message', room: 'r', seq: 3, from: ada, at: '', text: 'bob?', reply_to: { seq: 1, from: old, text: 'hi' }, reactions: { '+1': [2] } }
  const { messages, past } = withName({ messages: [game, scored] as unknown as Messages, past: [answered] as unknown as Messages, more: false }, bob)
  expect(messages).toEqual([{ ...game, black: bob }, { ...scored, from: bob, scores: [{ ...ada, score: 9 }, { ...bob, score: 7 }] }])
  expect(past).toEqual([{ ...answered, reply_to: { seq: 1, from: bob, text: 'hi' } }])
})

test('what names another person, or has another kind of id, stays the same object', () => {
  const event = { from: ada, files: [{ id: '2', name: 'bob.png' }], by: { id: 2, name: 'robert' }, nothing: null }
  expect(renamedIn(event, bob)).toBe(event)
})
