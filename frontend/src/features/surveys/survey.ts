import { call, path } from '../../api'
import type { Thing } from '../../protocol'

export const KINDS = ['single', 'several', 'scale', 'text'] as const
export type Kind = (typeof KINDS)[number]
export const STEPS = [1, 2, 3, 4, 5] as const
export const MAX_TEXT = 500

export interface Question {
  kind: Kind
  text: string
  options: string[]
}

/** indexes of options, a step from 1 on, a text; null: not answered */
export type Answer = number[] | number | string | null

/** As protocol.md has it. */
export interface SurveyFields {
  title: string
  questions: Question[]
  secret: boolean
  closes_at: string | null
  closed: boolean
  people: number
  /** of each question, of each option or step; of a text one number */
  counts: number[][]
}

export type Survey = Thing<SurveyFields>

const address = ({ room, seq }: Pick<Survey, 'room' | 'seq'>) => `${path(room)}/surveys/${seq}`

export const csvOf = (survey: Survey) => `${address(survey)}.csv`
export const myAnswers = (survey: Survey) => call<{ answers: Answer[] }>('GET', `${address(survey)}/mine`).then(({ answers }) => answers)
/** of each question for a text its texts */
export const textsOf = (survey: Survey) => call<{ texts: string[][] }>('GET', `${address(survey)}/texts`).then(({ texts }) => texts)

export function hasOptions(kind: Kind): boolean {
  return kind === 'single' || kind === 'several'
}

export function isAnswered(answer: Answer | undefined): boolean {
  return Array.isArray(answer) ? answer.length > 0 : typeof answer === 'string' ? answer.trim() !== '' : answer != null
}

/** 0 to 1 of the people who answered the survey */
export function share(survey: SurveyFields, question: number, place: number): number {
  return survey.people ? survey.counts[question]![place]! / survey.people : 0
}

/** The mean of a scale; null without answers. */
export function mean(counts: readonly number[]): number | null {
  const people = counts.reduce((sum, count) => sum + count, 0)
  return people ? counts.reduce((sum, count, step) => sum + count * (step + 1), 0) / people : null
}
