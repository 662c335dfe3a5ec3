import { expect, test } from 'vitest'
import { leading, ownVote, sameChoices, share } from '../../src/features/polls/poll'
import type { PollState } from '../../src/protocol'

const poll = (fields: Partial<PollState> = {}): PollState => ({
  question: 'Tea?',
  options: ['yes', 'no', 'later'],
  multiple: true,
  secret: false,
  closes_at: null,
  closed: false,
  tally: [2, 0, 2],
  voters: 3,
  votes: { 1: [0], 2: [0, 2], 3: [2] },
  ...fields,
})

test('my vote is in the event, unless it is secret or the list is cut off', () => {
  expect(ownVote(poll(), 2)).toEqual([0, 2])
  expect(ownVote(poll(), 9)).toEqual([])
  expect(ownVote(poll({ secret: true, votes: {} }), 2)).toBeNull()
  expect(ownVote(poll({ voters: 300 }), 9)).toBeNull()
})

test('shares are those of people, and several options may lead', () => {
  expect(share(poll(), 0)).toBeCloseTo(2 / 3)
  expect(share(poll({ tally: [0, 0, 0], voters: 0 }), 0)).toBe(0)
  expect([...leading(poll())]).toEqual([0, 2])
  expect(leading(poll({ tally: [0, 0, 0] })).size).toBe(0)
})

test('the order of choices does not matter', () => {
  expect(sameChoices([0, 2], [2, 0])).toBe(true)
  expect(sameChoices([0], [0, 2])).toBe(false)
})
