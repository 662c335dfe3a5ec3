import { createSSRApp, defineComponent, h } from 'vue'
import { renderToString } from 'vue/server-renderer'
import { expect, test } from 'vitest'
import { features } from '../../src/features'
import { componentOf, defineFeature, hiddenKinds, installFeatures, isEnabled, outgoingOf, rowOf, type Feature } from '../../src/features/registry'
import type { Hello } from '../../src/protocol'
import { cardsOf } from '../../src/shell/featureCards'

const HELLO: Hello = { type: 'hello', protocol: 1, user: { id: 1, name: 'ada' }, heartbeat: 20, limits: { text: 1, frame: 1, rate: 1 }, epoch: 'first', features: [] }
const PollRow = defineComponent({ props: ['event', 'me'], setup: ({ event }) => () => h('p', event.question) })
const loading = { loads: 0 }
const polls = defineFeature({
  name: 'polls',
  rows: { poll: () => (loading.loads++, Promise.resolve({ __esModule: true, default: PollRow })) },
})

function drawn(kind: string): Promise<string> {
  return renderToString(createSSRApp({ render: () => h(rowOf(kind), { event: { question: 'Tea?' }, me: 1 }) }))
}

test('the row of a kind is loaded when it is first drawn', async () => {
  installFeatures([polls])
  expect(loading.loads).toBe(0)
  expect(await drawn('poll')).toContain('Tea?')
  expect(await drawn('poll')).toContain('Tea?')
  expect(loading.loads).toBe(1)
})

test('an unknown kind gets a plain row', async () => {
  installFeatures([polls])
  expect(await drawn('hologram')).toContain('something this version cannot show')
})

test('nothing of a feature that is off is drawn', () => {
  installFeatures([polls])
  const on = { ...HELLO, features: ['polls'] }
  expect(rowOf('poll', HELLO)).toBe(rowOf('hologram'))
  expect(rowOf('poll', on)).not.toBe(rowOf('hologram'))
  expect([...hiddenKinds(HELLO)]).toEqual(['poll'])
  expect([...hiddenKinds(on)]).toEqual([])
})

test('the page of features shows what says something about itself, then the rest of the server', () => {
  const about = { title: 'polls.about_title', text: 'polls.about', begin: 'polls.about_begin' }
  const state = (name: string, on: boolean) => ({ name, on, by_operator: false, off_by: null, off_at: null })
  const cards = cardsOf(new Map([['polls', about]]), [state('stream', true), state('polls', false)], new Set(['stream']))
  expect(cards.map(({ name, on, state: known }) => [name, on, known?.on])).toEqual([
    ['polls', false, false],
    ['stream', true, true],
  ])
})

test.each<[string, Partial<Feature>]>([
  ['kind "poll"', { rows: { poll: PollRow } }],
  ['feature "polls"', { name: 'polls' }],
  ['topic "cursor"', { live: { cursor: () => undefined } }],
  ['panel "list"', { panels: [{ id: 'list', title: 'x.y', icon: PollRow, component: PollRow }] }],
])('two features that claim the %s are refused', (what, claim) => {
  const first = { ...polls, live: { cursor: () => undefined }, panels: [{ id: 'list', title: 'x.y', icon: PollRow, component: PollRow }] }
  expect(() => installFeatures([first, { name: 'other', ...claim }])).toThrow(what)
})

test('the server says which features are on', () => {
  expect(isEnabled(polls, null)).toBe(false)
  expect(isEnabled(polls, HELLO)).toBe(false)
  expect(isEnabled(polls, { ...HELLO, features: ['polls'] })).toBe(true)
  expect(isEnabled({ ...polls, enabled: ({ protocol }) => protocol > 1 }, { ...HELLO, features: ['polls'] })).toBe(false)
})

test('messages and typing are there on a server that names no features', () => {
  installFeatures(features)
  const old = { ...HELLO, features: undefined } as unknown as Hello
  expect(features.filter((feature) => isEnabled(feature, old)).map(({ name }) => name)).toEqual(expect.arrayContaining(['messages', 'typing']))
  expect(outgoingOf('message.send')).not.toBeNull()
  expect(outgoingOf('message.edit')).toBeNull()
})

test('a lazy component is the same one at each drawing', () => {
  const slot = () => Promise.resolve({ default: PollRow })
  expect(componentOf(slot)).toBe(componentOf(slot))
  expect(componentOf(PollRow)).toBe(PollRow)
})
