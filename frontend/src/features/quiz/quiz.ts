import { call, path } from '../../api'
import type { QuizState, Thing } from '../../protocol'

export type Quiz = Thing<QuizState>

/** How I am doing; `question` and `choice` are my last answer. */
export interface Mine {
  score: number
  gained: number
  rank: number | null
  players: number
  question: number | null
  choice: number | null
}

export const mine = ({ room, seq }: Pick<Quiz, 'room' | 'seq'>) => call<Mine>('GET', `${path(room)}/quiz/${seq}/mine`)
