import { call, path } from '../../api'
import type { Person, PollState, Thing } from '../../protocol'

export type Poll = Thing<PollState>

const address = ({ room, seq }: Pick<Poll, 'room' | 'seq'>) => `${path(room)}/polls/${seq}`

export const csvOf = (poll: Poll) => `${address(poll)}.csv`
export const myVote = (poll: Poll) => call<{ choices: number[] }>('GET', `${address(poll)}/mine`).then(({ choices }) => choices)
/** of each option its people; refused for a secret poll */
export const votersOf = (poll: Poll) => call<{ voters: Person[][] }>('GET', `${address(poll)}/votes`).then(({ voters }) => voters)
export const openPolls = (room: string) => call<{ polls: Poll[] }>('GET', `${path(room)}/polls`).then(({ polls }) => polls)

/** My choices as the event has them; null where it does not say. */
export function ownVote(poll: PollState, me: number): number[] | null {
  if (poll.secret) return null
  return poll.votes[me] ?? (Object.keys(poll.votes).length < poll.voters ? null : [])
}

/** 0 to 1 of the people who voted */
export function share(poll: PollState, option: number): number {
  return poll.voters ? poll.tally[option]! / poll.voters : 0
}

/** The options with the most votes, once there are any. */
export function leading(poll: PollState): Set<number> {
  const most = Math.max(...poll.tally)
  return new Set(most ? poll.tally.flatMap((votes, option) => (votes === most ? [option] : [])) : [])
}

export function sameChoices(a: readonly number[], b: readonly number[]): boolean {
  return a.length === b.length && a.every((choice) => b.includes(choice))
}
