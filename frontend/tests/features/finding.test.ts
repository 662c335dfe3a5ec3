import { expect, test } from 'vitest'
import { completed, partialName } from '../../src/features/mentions/partial'
import { highlighted } from '../../src/features/search/highlighted'
import { wrongPart } from '../../src/features/search/wrong'
import { names } from '../../src/stores/rooms'
import type { LogEvent } from '../../src/protocol'
import { nameParts } from '../../src/ui/links'

test('highlights are counted in code points', () => {
  expect(highlighted('🎉 done 🎉 well', [[2, 6], [7, 8]])).toEqual([
    { text: '🎉 ', hit: false },
    { text: 'done', hit: true },
    { text: ' ', hit: false },
    { text: '🎉', hit: true },
    { text: ' well', hit: false },
  ])
})

test.each([
  ['hi @ad', 6, { at: 3, name: 'ad' }],
  ['@', 1, { at: 0, name: '' }],
  ['(@Ada', 5, { at: 1, name: 'Ada' }],
  ['ada@example', 11, null],
  ['@ada x', 6, null],
])('name before the caret of %j', (text, caret, partial) => {
  expect(partialName(text, caret)).toEqual(partial)
})

test('a name is completed where it stands', () => {
  expect(completed('hi @ad and more', 6, { at: 3, name: 'ad' }, 'ada')).toEqual({ text: 'hi @ada and more', caret: 8 })
})

test('names stand out, and what follows them does not', () => {
  expect(nameParts('hi @ada. a@b').map(({ text, name }) => [text, name])).toEqual([['hi ', undefined], ['@ada', 'ada'], ['. a@b', undefined]])
})

test('a message names me by my id or as everybody, and never in my own', () => {
  const message = (from: number, mentions?: number[]) => ({ type: 'message', from: { id: from, name: 'x' }, mentions }) as LogEvent
  expect([message(2, [1]), message(2, [0]), message(2, [3]), message(2), message(1, [0])].map((event) => names(event, 1))).toEqual([true, true, false, false, false])
})

test.each([
  ['before:soon', 'bad_date'],
  ['word after:2026-13-01', 'bad_date'],
  // Of what browsers take for a date the server reads little.
  ['before:2', 'bad_date'],
  ['before:2026-1-5', 'bad_date'],
  ['has:"file" Before:"30 Nov 2026"', 'bad_date'],
  ['has:cake', 'bad_filter'],
  ['from:ada From:bob', 'repeated_filter'],
  ['from:ada from:ada before:2026', 'bad_date'],
  ['before:2026-11-30 a b c d e f g h i', 'too_many_words'],
])('a search that the server cannot read is explained: %s', (query, word) => {
  expect(wrongPart(query)).toBe(`search.${word}`)
})
