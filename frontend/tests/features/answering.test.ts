// @vitest-environment happy-dom
import { createPinia, setActivePinia } from 'pinia'
import { afterEach, beforeEach, expect, test, vi } from 'vitest'
import { effectScope, nextTick, reactive, type EffectScope } from 'vue'
import type { Poll } from '../../src/features/polls/poll'
import { useVote } from '../../src/features/polls/useVote'
import type { Survey } from '../../src/features/surveys/survey'
import { useAnswers } from '../../src/features/surveys/useAnswers'
import type { Hello } from '../../src/protocol'
import { useConnection } from '../../src/stores/connection'

const sent = vi.hoisted(() => ({ done: () => undefined as void }))
vi.mock('../../src/features/client', () => ({ sendDurable: () => new Promise<void>((resolve) => (sent.done = resolve)) }))

let scope: EffectScope
let mine: object
let asked: number

beforeEach(() => {
  vi.useFakeTimers()
  setActivePinia(createPinia())
  useConnection().state = { name: 'open', hello: {} as Hello }
  scope = effectScope()
  asked = 0
  vi.stubGlobal('fetch', () => {
    asked += 1
    return Promise.resolve(Response.json(mine))
  })
})
afterEach(() => {
  scope.stop()
  vi.useRealTimers()
  vi.unstubAllGlobals()
})
const settled = () => vi.advanceTimersByTimeAsync(4_000)

const secretPoll = () =>
  reactive({ room: 'r', seq: 1, question: 'Tea?', options: ['yes', 'no'], multiple: false, secret: true, closes_at: null, closed: false, tally: [0, 0], voters: 0, votes: {} }) as unknown as Poll
const survey = () =>
  reactive({ room: 'r', seq: 2, title: '', questions: [{ kind: 'single', text: '', options: ['a', 'b'] }], secret: true, closes_at: null, closed: false, people: 0, counts: [[0, 0]] }) as unknown as Survey

test('a secret vote of another device replaces the one shown here', async () => {
  mine = { choices: [] }
  const poll = secretPoll()
  const { vote, marked } = scope.run(() => useVote(() => poll, 1))!
  await settled()
  mine = { choices: [1] }
  for (let voters = 1; voters <= 5; voters += 1) {
    Object.assign(poll, { voters, tally: [voters - 1, 1] })
    await nextTick()
  }
  await settled()
  expect([vote.value, marked.value, asked]).toEqual([[1], [1], 2])
})

test('answers of another device replace the ones shown here', async () => {
  mine = { answers: [[0]] }
  const one = survey()
  const form = scope.run(() => useAnswers(() => one))!
  await settled()
  mine = { answers: [[1]] }
  one.counts = [[0, 1]]
  await settled()
  expect([form.mine.value, form.marked.value, asked]).toEqual([[[1]], [[1]], 2])
})

test('marks that one has set stay when the other device answers', async () => {
  mine = { answers: [] }
  const one = survey()
  const form = scope.run(() => useAnswers(() => one))!
  await settled()
  form.marked.value = [[0]]
  mine = { answers: [[1]] }
  one.people = 1
  await settled()
  expect([form.mine.value, form.marked.value]).toEqual([[[1]], [[0]]])
})

test('nothing is asked while a vote or answers are on their way', async () => {
  mine = { choices: [], answers: [] }
  const [poll, one] = [secretPoll(), survey()]
  const vote = scope.run(() => useVote(() => poll, 1))!
  const form = scope.run(() => useAnswers(() => one))!
  await settled()
  void vote.send([0])
  poll.voters = 1
  await settled()
  sent.done()
  await settled()
  void form.send([[0]])
  one.people = 1
  await settled()
  expect([asked, vote.vote.value, form.mine.value]).toEqual([2, [0], [[0]]])
})

test('marks that were not sent are there again when the survey is', async () => {
  mine = { answers: [] }
  const one = survey()
  const form = scope.run(() => useAnswers(() => one))!
  await settled()
  form.marked.value[0] = [1]
  scope.stop()
  scope = effectScope()
  const again = scope.run(() => useAnswers(() => one))!
  await settled()
  expect([again.marked.value, again.mine.value]).toEqual([[[1]], []])
  void again.send(again.marked.value)
  scope.stop()
  mine = { answers: [[1]] }
  scope = effectScope()
  expect(scope.run(() => useAnswers(() => one))!.marked.value).toEqual([null])
})
