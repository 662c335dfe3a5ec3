import { beforeEach, expect, test } from 'vitest'
import { attachedIn, namesOf, pending, put, resolved, taken, type Pending } from '../../src/features/files/pending'
import { isPicture } from '../../src/features/files/kinds'
import { sizeOf } from '../../src/features/files/sizes'
import type { MessageFile } from '../../src/protocol'

const file = (name: string, fields: Partial<MessageFile> = {}): MessageFile => ({ id: name, name, size: 3, type: 'text/plain', url: `/api/files/${name}`, ...fields })
let next = 1
const item = (state: Pending['state'], result: MessageFile | null = null): Pending => ({
  id: next++,
  file: new File(['abc'], 'a.txt'),
  state,
  progress: 0,
  reason: '',
  result,
})

beforeEach(() => pending.clear())

test('a message waits for what is on its way, and does not go by itself without what failed', () => {
  expect(attachedIn('lobby')).toBe('none')
  put('lobby', [item('done', file('a')), item('sending')])
  expect(attachedIn('lobby')).toBe('busy')
  put('lobby', [item('done', file('a')), item('failed')])
  expect(attachedIn('lobby')).toBe('partly')
  put('lobby', [item('done', file('a'))])
  expect(attachedIn('lobby')).toBe('ready')
  put('lobby', [item('failed')])
  expect(attachedIn('lobby')).toBe('none')
})

test('a message takes what is uploaded, once and in order', () => {
  put('lobby', [item('done', file('b')), item('failed'), item('done', file('a'))])
  expect(taken('lobby')).toEqual({ files: ['b', 'a'] })
  expect(pending.get('lobby')!.map(({ state }) => state)).toEqual(['failed'])
  expect(taken('lobby')).toEqual({})
  put('lobby', [])
  expect(pending.has('lobby')).toBe(false)
})

test('a waiting frame knows its files as long as the page lives', () => {
  put('lobby', [item('done', file('a'))])
  taken('lobby')
  expect(resolved(['a', 'gone', file('c')])).toEqual([file('a'), null, file('c')])
})

test('only a picture that the server has measured is drawn as one', () => {
  expect(isPicture(file('a.png', { type: 'image/png', width: 3, height: 4 }))).toBe(true)
  expect(isPicture(file('a.png', { type: 'image/png' }))).toBe(false)
  expect(isPicture(file('a.svg', { type: 'image/svg+xml', width: 3, height: 4 }))).toBe(false)
})

test('sizes are read by people', () => {
  expect([0, 1, 1_023, 1_024, 1_500, 15_000, 26_214_400].map(sizeOf)).toEqual(['0 B', '1 B', '1,023 B', '1 KB', '1.5 KB', '15 KB', '25 MB'])
  expect(namesOf([file('a'), file('b')])).toBe('a, b')
})
