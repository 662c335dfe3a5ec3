import { beforeEach, expect, test, vi } from 'vitest'
import { api } from '../../src/api'
import { updateRunning } from '../../src/features/quiz/update'
import { listen, running } from '../../src/features/quiz/running'
import type { Listed, LogEvent, QuizState } from '../../src/protocol'
import type { ChatSocket, ChatSocketEvents } from '../../src/socket'
import { Emitter } from '../../src/socket/emitter'

const host = { id: 1, name: 'host' }
const owner = { id: 3, name: 'owner' }
const player = { id: 2, name: 'player' }

const state = (phase: QuizState['phase'], fields: Partial<QuizState> = {}): QuizState => ({
  title: 'Sums', count: 2, phase, question: null, answered: 0, players: 0, scores: [], ...fields,
})
const quiz = (seq: number, phase: QuizState['phase']) => ({ type: 'quiz', room: 'r', seq, from: host, at: '', ...state(phase) }) as unknown as Listed
const amending = (target: number, type: string, seq: number, phase: QuizState['phase'], from = host) =>
  ({ type, room: 'r', seq, target, from, at: '', state: state(phase, { answered: seq }) }) as unknown as LogEvent
const shown = () => running.get('r')

let socket: Emitter<ChatSocketEvents>

beforeEach(() => {
  running.clear()
  socket = new Emitter<ChatSocketEvents>()
  listen(socket as unknown as ChatSocket)
  vi.restoreAllMocks()
})

const arrive = (...events: LogEvent[]) => socket.emit('events', { room: 'r', events })
const begin = (...events: LogEvent[]) => socket.emit('snapshot', { room: 'r', events } as unknown as ChatSocketEvents['snapshot'])

test('a quiz runs from its first question to its end', async () => {
  arrive(quiz(7, 'lobby'), amending(7, 'quiz.asked', 8, 'asked'), amending(7, 'quiz.answered', 9, 'asked', player))
  await vi.waitFor(() => expect(shown()).toMatchObject({ seq: 7, from: host, answered: 9 }))
  arrive(amending(7, 'quiz.revealed', 10, 'revealed'))
  await vi.waitFor(() => expect(shown()?.phase).toBe('revealed'))
  arrive(amending(7, 'quiz.ended', 11, 'ended'))
  await vi.waitFor(() => expect(shown()).toBeUndefined())
})

test('a quiz that an owner starts stays its author’s', async () => {
  begin(quiz(17, 'lobby'))
  arrive(amending(17, 'quiz.asked', 18, 'asked', owner))
  await vi.waitFor(() => expect(shown()).toMatchObject({ seq: 17, from: host }))
  arrive(amending(17, 'quiz.answered', 19, 'asked', player), amending(17, 'quiz.revealed', 20, 'revealed', owner))
  await vi.waitFor(() => expect(shown()).toMatchObject({ phase: 'revealed', from: host }))
})

test('the host of a quiz above the page’s part of the log is asked for, once', async () => {
  let answer: (page: { messages: Listed[]; more: boolean }) => void = () => undefined
  const messages = vi.spyOn(api, 'messages').mockReturnValue(new Promise((resolve) => (answer = resolve)))
  updateRunning('r', [amending(27, 'quiz.answered', 30, 'asked', player)], false)
  expect(shown()).toMatchObject({ seq: 27, from: { id: 0 } })
  updateRunning('r', [amending(27, 'quiz.answered', 31, 'asked', owner)], false)
  expect(shown()).toMatchObject({ answered: 31, from: { id: 0 } })
  answer({ messages: [quiz(27, 'asked')], more: true })
  await vi.waitFor(() => expect(shown()).toMatchObject({ answered: 31, from: host }))
  updateRunning('r', [amending(27, 'quiz.revealed', 32, 'revealed', owner)], false)
  expect(shown()).toMatchObject({ phase: 'revealed', from: host })
  expect(messages.mock.calls).toEqual([['r', { after: 26, limit: 1 }]])
})

test('a host whom the server could not name is asked for at the next event', async () => {
  const messages = vi.spyOn(api, 'messages').mockRejectedValueOnce(new Error('away')).mockResolvedValue({ messages: [quiz(37, 'asked')], more: true })
  updateRunning('r', [amending(37, 'quiz.answered', 40, 'asked', player)], false)
  await vi.waitFor(() => expect(messages).toHaveBeenCalledOnce())
  await vi.waitFor(() => {
    updateRunning('r', [amending(37, 'quiz.answered', 41, 'asked', player)], false)
    expect(shown()?.from).toEqual(host)
  })
})

test('a page that comes late finds the quiz in its snapshot', async () => {
  begin(quiz(7, 'asked'))
  await vi.waitFor(() => expect(shown()).toMatchObject({ seq: 7, from: host }))
  begin()
  await vi.waitFor(() => expect(shown()).toBeUndefined())
})

test('a player who is renamed has the new name in the scores of the quiz that runs', () => {
  const scores = [{ id: 2, name: 'bob', score: 900 }]
  updateRunning('r', [{ ...amending(47, 'quiz.asked', 48, 'asked'), target: undefined, state: state('asked', { scores }) } as unknown as LogEvent], false)
  socket.emit('user.updated', { type: 'user.updated', user: { id: 2, name: 'robert' } })
  expect(shown()?.scores).toEqual([{ id: 2, name: 'robert', score: 900 }])
})

test('a second quiz takes the place of the first when that one has ended', async () => {
  arrive(quiz(7, 'lobby'), amending(7, 'quiz.asked', 8, 'asked'))
  await vi.waitFor(() => expect(shown()?.seq).toBe(7))
  updateRunning('r', [quiz(9, 'lobby'), amending(9, 'quiz.asked', 10, 'asked'), amending(9, 'quiz.answered', 11, 'asked', player)], false)
  expect(shown()).toMatchObject({ seq: 7, answered: 8 })
  updateRunning('r', [amending(7, 'quiz.ended', 12, 'ended')], false)
  expect(shown()).toMatchObject({ seq: 9, answered: 11 })
  updateRunning('r', [amending(9, 'quiz.ended', 13, 'ended')], false)
  expect(shown()).toBeUndefined()
})

test('a quiz that ended beside another one is not shown after it', () => {
  updateRunning('r', [quiz(7, 'asked'), quiz(9, 'asked'), amending(9, 'quiz.ended', 10, 'ended'), amending(7, 'quiz.ended', 11, 'ended')], true)
  expect(shown()).toBeUndefined()
})
