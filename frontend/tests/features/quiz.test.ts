import { afterEach, beforeEach, expect, test, vi } from 'vitest'
import type { QuizState } from '../../src/protocol'
import { listen, running } from '../../src/features/quiz/running'
import type { LogEvent } from '../../src/protocol'
import type { ChatSocket, ChatSocketEvents } from '../../src/socket'
import { Emitter } from '../../src/socket/emitter'

const NOW = Date.parse('2026-01-01T12:00:00Z')
const host = { id: 1, name: 'host' }

const state = (phase: QuizState['phase'], fields: Partial<QuizState> = {}): QuizState => ({
  title: 'Sums', count: 2, phase, question: null, answered: 0, players: 0, scores: [], ...fields,
})
const at = (ago_s: number) => new Date(NOW - 1_000 * ago_s).toISOString()
const amending = (type: string, seq: number, phase: QuizState['phase'], from = host) =>
  ({ type, room: 'r', seq, target: 7, from, at: at(1), state: state(phase, { answered: seq }) }) as unknown as LogEvent

let socket: Emitter<ChatSocketEvents>

beforeEach(() => {
  vi.useFakeTimers({ now: NOW })
  running.clear()
  socket = new Emitter<ChatSocketEvents>()
  listen(socket as unknown as ChatSocket)
})
afterEach(() => vi.useRealTimers())

test('a quiz runs from its first question to its end', () => {
  socket.emit('events', { room: 'r', events: [amending('quiz.asked', 8, 'asked'), amending('quiz.answered', 9, 'asked', { id: 2, name: 'player' })] })
  expect(running.get('r')).toMatchObject({ seq: 7, from: host, answered: 9 })
  socket.emit('events', { room: 'r', events: [amending('quiz.revealed', 10, 'revealed')] })
  expect(running.get('r')?.phase).toBe('revealed')
  socket.emit('events', { room: 'r', events: [amending('quiz.ended', 11, 'ended')] })
  expect(running.has('r')).toBe(false)
})

test('a page that comes late finds the quiz in its snapshot', () => {
  const quiz = { type: 'quiz', room: 'r', seq: 7, from: host, at: at(60), ...state('asked') } as unknown as LogEvent
  socket.emit('snapshot', { room: 'r', events: [quiz] } as unknown as ChatSocketEvents['snapshot'])
  expect(running.get('r')).toMatchObject({ seq: 7, from: host })
  socket.emit('snapshot', { room: 'r', events: [] } as unknown as ChatSocketEvents['snapshot'])
  expect(running.has('r')).toBe(false)
})

test('a player who is renamed has the new name in the scores of the quiz that runs', () => {
  const scores = [{ id: 2, name: 'bob', score: 900 }]
  const asked = { ...amending('quiz.asked', 8, 'asked'), state: state('asked', { scores } as Partial<QuizState>) } as unknown as LogEvent
  socket.emit('events', { room: 'r', events: [asked] })
  socket.emit('user.updated', { type: 'user.updated', user: { id: 2, name: 'robert' } })
  expect(running.get('r')?.scores).toEqual([{ id: 2, name: 'robert', score: 900 }])
})
