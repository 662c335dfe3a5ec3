// @vitest-environment happy-dom
import { createPinia, setActivePinia } from 'pinia'
import { afterEach, beforeEach, expect, test, vi } from 'vitest'
import { createApp, nextTick, type App } from 'vue'
import { useAmendments } from '../../src/features/messages/amendments'
import { loadRecentEmoji, noteEmoji, recentEmoji, searchEmoji, type Emoji } from '../../src/features/messages/emoji'
import EditMessage from '../../src/features/messages/EditMessage.vue'
import { useReplying } from '../../src/features/messages/replying'
import { installFeatures } from '../../src/features/registry'
import type { MessageEvent } from '../../src/protocol'
import { OutboxFull } from '../../src/socket'
import { useConnection } from '../../src/stores/connection'
import { useRooms } from '../../src/stores/rooms'
import { useSession } from '../../src/stores/session'
import { useTimelines } from '../../src/stores/timelines'
import { act, endAll, toasts } from '../../src/ui/toasts'

const ada = { id: 1, name: 'ada' }
const MINE: MessageEvent = {
  type: 'message', room: 'lobby', seq: 4, from: ada, at: '2026-03-01T12:00:00Z', text: 'helo', edited: false, deleted: false, reactions: { '👍': [2] },
}
const THEIRS = { ...MINE, seq: 5, from: { id: 2, name: 'bob' } }

let sent: { type: string; [field: string]: unknown }[]

beforeEach(() => {
  vi.useFakeTimers()
  setActivePinia(createPinia())
  installFeatures([])
  useSession().me = ada
  sent = []
  const connection = useConnection()
  connection.chat = () =>
    ({
      on: () => () => undefined,
      join: () => undefined,
      sendFrame: ({ room, type, ...fields }: { room: string; type: string }) => {
        sent.push({ type, room, ...fields })
        const frame = { key: `k${sent.length}`, destination: { room }, type, fields, at: 1, state: 'waiting', error: null } as const
        connection.unsent = [...connection.unsent, frame]
        return frame
      },
    }) as never
})

afterEach(() => {
  endAll()
  vi.useRealTimers()
})

test('edits and reactions on their way are shown at once', () => {
  const amendments = useAmendments()
  amendments.edit(MINE, 'hello')
  amendments.react(MINE, '🎉', true)
  amendments.react(MINE, '👍', true)
  expect(amendments.shown(MINE)).toMatchObject({ text: 'hello', edited: true, reactions: { '🎉': [1], '👍': [2, 1] } })
  expect(amendments.shown(THEIRS)).toBe(THEIRS)
  useConnection().unsent = []
  expect(amendments.shown(MINE)).toBe(MINE)
})

test('an edit that changes nothing is not sent', () => {
  useAmendments().edit(MINE, MINE.text)
  expect(sent).toEqual([])
})

test('a deletion is sent once it cannot be undone any more', async () => {
  const amendments = useAmendments()
  amendments.remove(MINE)
  amendments.remove(MINE)
  expect(amendments.shown(MINE)).toMatchObject({ deleted: true, text: '' })
  await vi.advanceTimersByTimeAsync(4_000)
  expect(sent).toEqual([])
  await vi.advanceTimersByTimeAsync(2_000)
  expect(sent).toEqual([{ type: 'message.delete', room: 'lobby', target: 4 }])
})

test('an undone deletion is never sent', async () => {
  const amendments = useAmendments()
  amendments.remove(MINE)
  act(toasts.value[0]!)
  await vi.advanceTimersByTimeAsync(10_000)
  expect(sent).toEqual([])
  expect(amendments.shown(MINE)).toBe(MINE)
})

test('a page that goes away sends the deletions that could be undone', () => {
  useAmendments().remove(MINE)
  endAll()
  expect(sent).toHaveLength(1)
})

test('authors edit, authors and owners delete', () => {
  const { mayEdit, mayDelete } = useAmendments()
  expect([mayEdit(MINE), mayDelete(MINE), mayEdit(THEIRS), mayDelete(THEIRS)]).toEqual([true, true, false, false])
  useRooms().put({ slug: 'lobby', role: 'owner', head: 5, upto: 5, unread: 0, member: true } as never)
  expect([mayEdit(THEIRS), mayDelete(THEIRS)]).toEqual([false, true])
  expect(mayEdit({ ...MINE, deleted: true })).toBe(false)
})

test('the nearest name of an emoji comes first', () => {
  const emoji = (one: string, label: string, tags: string): Emoji => ({ emoji: one, group: 0, label, tags })
  const all = [emoji('🧑‍🚀', 'astronaut', 'rocket space'), emoji('🚀', 'rocket', 'launch'), emoji('🥗', 'green salad', 'rocket-leaf'), emoji('🐸', 'frog', '')]
  expect(searchEmoji(all, 'Rocket').map((one) => one.emoji)).toEqual(['🚀', '🧑‍🚀', '🥗'])
  expect(searchEmoji(all, '🐸').map(({ label }) => label)).toEqual(['frog'])
})

test('a reply goes with one message, and each room has its own', () => {
  const replying = useReplying()
  replying.start(THEIRS)
  expect(replying.fields('other')).toEqual({})
  expect(replying.fields('lobby')).toEqual({ reply_to: 5 })
  expect(replying.fields('lobby')).toEqual({})
})

test('a quote follows its message, and says nothing of a deleted one', () => {
  const { present } = useReplying()
  const quote = { seq: 5, from: THEIRS.from, text: 'as it was' }
  expect(present('lobby', quote)).toBe(quote)
  expect(present('lobby', { ...quote, text: '' })).toBeNull()
  const timelines = useTimelines()
  timelines.enter('lobby')
  timelines.apply('lobby', [{ ...THEIRS, text: 'as it is' }])
  expect(present('lobby', quote)?.text).toBe('as it is')
  timelines.apply('lobby', [{ type: 'message.deleted', room: 'lobby', seq: 6, target: 5, from: ada, at: '' }])
  expect(present('lobby', quote)).toBeNull()
})

test('a refused edit keeps its text and opens the editor again with the reason', () => {
  const amendments = useAmendments()
  const heard = new Map<string, (frame: unknown) => void>()
  amendments.listen({ on: (name: string, handle: (frame: unknown) => void) => heard.set(name, handle) } as never)
  amendments.edit(MINE, 'hello, all of you')
  expect(amendments.editing).toBeNull()
  const frame = { key: 'k1', type: 'message.edit', destination: { room: 'lobby' }, fields: { target: 4, text: 'hello, all of you' }, at: 1, state: 'failed' }
  heard.get('failed')!({ ...frame, error: { code: 'not_there', message: 'no such message' } })
  expect(amendments.editing).toMatchObject({ room: 'lobby', seq: 4 })
  expect(amendments.refusedEdit(MINE)).toEqual({ text: 'hello, all of you', reason: 'no such message' })
  amendments.endEdit()
  expect(amendments.refusedEdit(MINE)).toBeUndefined()
})

test('a refused edit does not close an editor that is open', () => {
  const amendments = useAmendments()
  const heard = new Map<string, (frame: unknown) => void>()
  amendments.listen({ on: (name: string, handle: (frame: unknown) => void) => heard.set(name, handle) } as never)
  amendments.startEdit(THEIRS)
  const frame = { type: 'message.edit', destination: { room: 'lobby' }, fields: { target: 4, text: 'new' }, error: { code: 'not_there', message: 'no' } }
  heard.get('failed')!(frame)
  expect(amendments.editing?.seq).toBe(THEIRS.seq)
  expect(amendments.refusedEdit(MINE)?.text).toBe('new')
})

test('each person of a browser has their own recent emoji', () => {
  localStorage.setItem('hubbub.emoji', '["🕵️"]')
  loadRecentEmoji(1)
  noteEmoji('🎉')
  noteEmoji('🐌')
  loadRecentEmoji(2)
  expect(recentEmoji.value).not.toContain('🐌')
  expect(recentEmoji.value).not.toContain('🕵️')
  loadRecentEmoji(1)
  expect(recentEmoji.value.slice(0, 2)).toEqual(['🐌', '🎉'])
})

test('an unfinished edit keeps its text while its row is away, and until it ends', () => {
  const amendments = useAmendments()
  amendments.startEdit(MINE)
  amendments.keepText(MINE, 'hello wor')
  amendments.startEdit({ ...MINE, seq: 6 })
  expect([amendments.textFor(MINE), amendments.textFor({ ...MINE, seq: 6 })]).toEqual(['hello wor', 'helo'])
  amendments.startEdit(MINE)
  amendments.endEdit()
  expect(amendments.textFor(MINE)).toBe('helo')
})

test('an editor that was taken away opens again with its text', async () => {
  vi.useRealTimers()
  vi.stubGlobal('matchMedia', () => ({ matches: false }))
  useAmendments().startEdit(MINE)
  const first = editor()
  first.field.value = 'hello wor'
  first.field.dispatchEvent(new Event('input'))
  await nextTick()
  first.app.unmount()
  const again = editor()
  expect(again.field.value).toBe('hello wor')
  again.app.unmount()
})

test('a full outbox shows a deleted message again, and leaves an edit open', async () => {
  useConnection().chat = () => ({ sendFrame: () => { throw new OutboxFull() } }) as never
  const amendments = useAmendments()
  amendments.remove(MINE)
  endAll()
  expect(amendments.shown(MINE)).toBe(MINE)
  amendments.startEdit(MINE)
  amendments.edit(MINE, 'hello')
  expect(amendments.editing).toMatchObject({ seq: 4 })
  expect(toasts.value.map(({ kind }) => kind)).toEqual(['failure', 'failure'])
})

function editor(): { app: App; field: HTMLTextAreaElement } {
  const root = document.body.appendChild(document.createElement('div'))
  const app = createApp(EditMessage, { event: MINE })
  app.mount(root)
  return { app, field: root.querySelector('textarea')! }
}
