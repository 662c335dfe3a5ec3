import { call, path } from '../../api'
import type { Thing } from '../../protocol'

export interface Question {
  index: number
  text: string
  choices: string[]
  seconds: number
  asked_at: string
  /** when the server goes on */
  until: string | null
  /** both null until the time is up */
  right: number | null
  counts: number[] | null
}

export interface Score {
  id: number
  name: string
  score: number
}

export interface QuizFields {
  title: string
  /** number of questions */
  count: number
  phase: 'lobby' | 'asked' | 'revealed' | 'ended'
  question: Question | null
  answered: number
  players: number
  scores: Score[]
}

export type Quiz = Thing<QuizFields>

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
