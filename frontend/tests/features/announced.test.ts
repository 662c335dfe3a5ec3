import { expect, test } from 'vitest'
import { features } from '../../src/features'
import type { KnownEvent } from '../../src/protocol'

const place = { room: 'lobby', seq: 7, from: { id: 2, name: 'Bob' }, at: '2026-03-03T12:00:00Z' }
const amended = { ...place, target: 3 }

/** What the features say of an event, without the marks around names. */
function said(event: object): string[] {
  return features.flatMap((feature) => feature.announce?.(event as KnownEvent) ?? []).map((text) => text.replace(/[\u2068\u2069]/g, ''))
}

test.each<[object, string]>([
  [{ ...place, type: 'message', text: 'Tea?' }, 'Bob: Tea?'],
  [{ ...place, type: 'poll', question: 'Tea?' }, 'Bob asks: Tea?'],
  [{ ...amended, type: 'poll.closed', state: { question: 'Tea?' } }, 'The poll “Tea?” is closed.'],
  [{ ...place, type: 'survey', title: 'Launch' }, 'Bob asks in a survey: Launch'],
  [{ ...amended, type: 'survey.closed', state: { title: 'Launch' } }, 'The survey “Launch” is closed.'],
  [{ ...amended, type: 'quiz.ended', state: { scores: [{ id: 2, name: 'Bob' }] } }, 'The quiz is over. Bob has won.'],
  [{ ...place, type: 'location' }, 'Bob shares their location.'],
  [{ ...place, type: 'chess' }, 'Bob offers a game of chess.'],
  [{ ...amended, type: 'chess.moved', state: { san: ['e4', 'e5'] } }, 'Bob plays e5.'],
  [{ ...amended, type: 'chess.ended', state: { result: null } }, 'The game has ended: *.'],
])('%o is announced as %s', (event, text) => {
  expect(said(event)).toEqual([text])
})

test.each<[object]>([
  [{ ...amended, type: 'poll.voted', state: { question: 'Tea?' } }],
  [{ ...amended, type: 'quiz.ended', state: { scores: [] } }],
  [{ ...place, type: 'hologram' }],
])('%o is not announced', (event) => {
  expect(said(event)).toEqual([])
})
