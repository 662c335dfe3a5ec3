import { createPinia, setActivePinia } from 'pinia'
import { afterEach, beforeEach, expect, test, vi } from 'vitest'
import type { Room } from '../../src/api'
import { decide, isQuiet, type Decision, type Situation } from '../../src/features/notifications/decide'
import { change, chooseLevel, hear, load, preferences } from '../../src/features/notifications/settings'
import { badge, levelOf, levels, unreadOf } from '../../src/stores/attention'
import { useRooms } from '../../src/stores/rooms'
import { openRoom, present } from '../../src/stores/screen'
import { minuteOfDay } from '../../src/ui/time'

const HIDDEN: Situation = { reason: 'direct', level: 'all', read: false, onScreen: false, open: false, visible: false, active: true, notifies: true, sound: false, quiet: false }
const VISIBLE: Situation = { ...HIDDEN, visible: true }
const SEEN: Situation = { ...VISIBLE, open: true, onScreen: true }

/** "later: notification" */
function told({ claim, ...ways }: Decision): string {
  const used = Object.entries(ways).flatMap(([way, on]) => (on ? [way] : []))
  return used.length ? `${claim}: ${used.join(' ')}` : claim
}

test.each<[string, Situation, string]>([
  ['hidden', HIDDEN, 'later: notification'],
  ['hidden, with sound', { ...HIDDEN, sound: true }, 'later: notification sound'],
  ['hidden, not allowed', { ...HIDDEN, notifies: false }, 'never'],
  ['hidden, not allowed, with sound', { ...HIDDEN, notifies: false, sound: true }, 'later: sound'],
  ['visible, another room open', VISIBLE, 'now: toast'],
  ['visible, another room open, with sound', { ...VISIBLE, sound: true }, 'now: sound toast'],
  ['visible, idle device', { ...VISIBLE, active: false }, 'later: toast'],
  ['on screen', SEEN, 'now'],
  ['on screen, with sound', { ...SEEN, sound: true }, 'now'],
  ['on screen, idle device', { ...SEEN, active: false }, 'never'],
  ['its room open, further up', { ...SEEN, onScreen: false }, 'now'],
  ['its room open, further up, with sound', { ...SEEN, onScreen: false, sound: true }, 'now: sound'],
  ['its room open, idle device', { ...SEEN, onScreen: false, active: false }, 'never'],
  ['read on another device', { ...HIDDEN, read: true, sound: true }, 'never'],
  ['hidden, quiet', { ...HIDDEN, quiet: true, sound: true }, 'never'],
  ['visible, quiet', { ...VISIBLE, quiet: true, sound: true }, 'never'],
  ['on screen, quiet', { ...SEEN, quiet: true }, 'now'],
  ['a mention at the level mentions', { ...HIDDEN, reason: 'mention', level: 'mentions' }, 'later: notification'],
  ['a mention in a muted room', { ...HIDDEN, reason: 'mention', level: 'nothing' }, 'never'],
  ['a direct message at the level mentions', { ...HIDDEN, level: 'mentions' }, 'never'],
  ['chatter once the level is lower', { ...HIDDEN, reason: 'all', level: 'mentions' }, 'never'],
])('%s', (_, situation, expected) => {
  expect(told(decide(situation))).toBe(expected)
})

test.each<[string, string, number, boolean]>([
  ['22:00', '07:00', 22 * 60, true],
  ['22:00', '07:00', 3 * 60, true],
  ['22:00', '07:00', 7 * 60, false],
  ['22:00', '07:00', 12 * 60, false],
  ['12:30', '13:30', 13 * 60, true],
  ['12:30', '13:30', 13 * 60 + 30, false],
  ['12:30', '13:30', 0, false],
  ['08:00', '08:00', 0, true],
])('quiet from %s to %s at minute %i: %s', (from, to, minute, expected) => {
  expect(isQuiet({ from, to, zone: 'UTC' }, minute)).toBe(expected)
})

test('the time of day follows the zone', () => {
  const at = new Date('2026-07-01T22:30:00Z')
  expect([minuteOfDay(at, 'UTC'), minuteOfDay(at, 'Asia/Kolkata'), minuteOfDay(at, 'Europe/Berlin')]).toEqual([22 * 60 + 30, 4 * 60, 30])
})

const ROOM: Room = { slug: 'den', title: 'Den', kind: 'public', private: false, head: 9, member: true, upto: 0, unread: 9, mentions: 2, member_count: 3, peer: null, role: 'member', last_at: null }
const DIRECT: Room = { ...ROOM, slug: 'dm-1-2', kind: 'direct', private: true, unread: 3, mentions: 0 }
const STORED = { sound: false, browser: true, quiet: null, digest: 'off', email: null, email_confirmed: false, mail: true, rooms: {}, push_key: null }

let asked: { method: string; url: string; body: unknown }[]
let answer: (request: (typeof asked)[number]) => Response

beforeEach(() => {
  setActivePinia(createPinia())
  levels.value = {}
  openRoom.value = null
  present.value = true
  asked = []
  answer = () => Response.json({ ...STORED, devices: [] })
  vi.stubGlobal('document', { cookie: 'csrftoken=x' })
  vi.stubGlobal('fetch', async (url: string, { method, body }: { method: string; body: string | null }) => {
    const request = { method, url, body: body && (JSON.parse(body) as unknown) }
    asked.push(request)
    return answer(request)
  })
})

afterEach(() => {
  vi.unstubAllGlobals()
  preferences.value = null
})

test('what is for me is counted apart from chatter', () => {
  expect(unreadOf(ROOM)).toEqual({ forMe: 2, chatter: 7 })
  expect(unreadOf(DIRECT)).toEqual({ forMe: 3, chatter: 0 })
  levels.value = { den: 'all', 'dm-1-2': 'mentions' }
  expect(unreadOf(ROOM)).toEqual({ forMe: 9, chatter: 0 })
  expect(unreadOf(DIRECT)).toEqual({ forMe: 0, chatter: 3 })
  expect(badge([ROOM, DIRECT])).toEqual({ forMe: 9, chatter: 3 })
  levels.value = { den: 'nothing' }
  expect(badge([ROOM, DIRECT])).toEqual({ forMe: 3, chatter: 0 })
  expect(badge([{ ...ROOM, member: false }])).toEqual({ forMe: 0, chatter: 0 })
})

test('a room whose latest message is on screen has no badge', () => {
  openRoom.value = { room: 'den', atEnd: true }
  expect(unreadOf(ROOM)).toEqual({ forMe: 0, chatter: 0 })
  present.value = false
  expect(unreadOf(ROOM)).toEqual({ forMe: 2, chatter: 7 })
  present.value = true
  openRoom.value = { room: 'den', atEnd: false }
  expect(unreadOf(ROOM)).toEqual({ forMe: 2, chatter: 7 })
})

test('a level is shown at once, kept by room, and taken back where it is refused', async () => {
  useRooms().put(ROOM)
  await load()
  const choosing = chooseLevel('den', 'nothing')
  expect(levelOf(ROOM)).toBe('nothing')
  await choosing
  expect(asked.at(-1)).toEqual({ method: 'PUT', url: '/api/notifications/rooms/den', body: { level: 'nothing' } })
  await chooseLevel('den', 'mentions')
  expect(preferences.value!.rooms).toEqual({})
  answer = () => Response.json({ detail: 'No.', status: 429, code: 'rate_limited' }, { status: 429 })
  await expect(chooseLevel('den', 'all')).rejects.toThrow('No.')
  expect(levelOf(ROOM)).toBe('mentions')
})

test('a setting is taken back where it is refused, and nothing that came meanwhile', async () => {
  await load()
  answer = () => {
    hear({ rooms: { den: 'all' } })
    return Response.json({ detail: 'No.', status: 400, code: 'bad_frame' }, { status: 400 })
  }
  await expect(change({ sound: true })).rejects.toThrow('No.')
  expect(preferences.value).toMatchObject({ sound: false, rooms: { den: 'all' } })
  expect(levelOf(ROOM)).toBe('all')
})

test('what another device has changed is there at once', async () => {
  await load()
  hear({ sound: true, rooms: { den: 'nothing' } })
  expect(preferences.value).toMatchObject({ sound: true, browser: true })
  expect(levelOf(ROOM)).toBe('nothing')
})
