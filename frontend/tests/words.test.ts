import { expect, test } from 'vitest'
import { flat, type Words } from '../catalogues'
import { languages } from '../src/i18n'
import protocol from '../src/protocol.gen.ts?raw'
import { written } from './support/sources'

const sources = import.meta.glob<string>('../src/**/*.{ts,vue}', { query: '?raw', import: 'default', eager: true })
const catalogues = import.meta.glob<string>('../src/**/locales/*.json', { query: '?raw', import: 'default', eager: true })
const strings = Object.entries(sources).flatMap(([path, source]) => written(path, source).map((one) => ({ path, ...one })))

const SEEN = new Set(['aria-label', 'aria-description', 'aria-roledescription', 'alt', 'label', 'placeholder', 'title'])
/** Two words in a row, or one as at the beginning of a sentence: of other strings no code has need. */
const PROSE = /\p{L}{2,}[,;]? \p{L}{2,}|^\p{Lu}\p{Ll}/u
const NOT_WORDS = new Set([
  'Hubbub', 'English', 'outgoing frame', 'composer item', 'Esc', 'Shift Esc', 'Ctrl K', '/chat/',
  'Content-Type', 'Hubbub-Stream', 'Hubbub-Request', 'Hubbub-User', 'Retry-After', 'dialog button, dialog input', 'noopener noreferrer nofollow',
  // A source of maps, its kinds of shapes, and a colour.
  'Natural Earth', 'Polygon', 'MultiPolygon', 'color-mix(in srgb, ',
  // A form of files, and styles of the editor of notes.
  'PGN', 'ui-monospace, monospace', '2px solid var(--person)', '@keyframes cm-caret-name', 'color-mix(in srgb, var(--person) 24%, transparent)',
  // A font of the icon's number.
  '700 34px system-ui, sans-serif',
])

/** Words by key, of the shell and all features. */
function catalogue(language: string): Map<string, string> {
  const files = Object.entries(catalogues).filter(([path]) => path.endsWith(`/${language}.json`))
  return new Map(files.flatMap(([path, source]) => flat(JSON.parse(source) as Words, /features\/([^/]+)\//.exec(path)?.[1])))
}

const english = catalogue('en')
const placeholders = (word: string) => [...new Set(word.match(/\{\w+\}/g))].sort()

test.each(Object.keys(languages))('%s has each word, with the same values', (language) => {
  const words = catalogue(language)
  expect([...words.keys()].sort()).toEqual([...english.keys()].sort())
  for (const [key, word] of words) expect(placeholders(word), key).toEqual(placeholders(english.get(key)!))
})

test('Chinese words have Chinese punctuation and one form of address', () => {
  const wrong = /[,;!?]|(?<=\p{Script=Han}):|\.\.\.|您/u
  expect([...catalogue('zh')].filter(([, word]) => wrong.test(word))).toEqual([])
})

test('every key in the sources is in the catalogues', () => {
  const keys = strings.filter(({ place, name, open }) => !open && (place === 'key' || name === 'keypath'))
  expect(keys.length).toBeGreaterThan(80)
  expect(keys.filter(({ text }) => !english.has(text)).map(({ path, text }) => `${path}: ${text}`)).toEqual([])
})

/** As titles and labels of a feature's entries are given. */
test('every key in a declaration of a feature is in its catalogue', () => {
  const keys = strings.filter(({ path, text }) => {
    const name = /features\/([^/]+)\/index\.ts$/.exec(path)?.[1]
    return name !== undefined && new RegExp(`^${name}\\.[a-z_]+$`).test(text)
  })
  // A type of frames looks like a key: `poll.create` of the feature polls.
  expect(keys.filter(({ text }) => !english.has(text)).map(({ path, text }) => `${path}: ${text}`)).toEqual([])
})

test('no feature is called like a group of the shell', () => {
  const groups = Object.keys(JSON.parse(catalogues['../src/locales/en.json']!) as object)
  expect(groups.filter((group) => catalogues[`../src/features/${group}/locales/en.json`])).toEqual([])
})

test('every refusal of the protocol has a sentence', () => {
  const codes = protocol.match(/export type ErrorCode =\n((?: {2}\| '.*'\n)+)/)![1]!.match(/\w+/g)!
  const keys = [...english.keys()]
  expect(codes.filter((code) => !keys.some((key) => `.${key}`.endsWith(`.errors.${code}`)))).toEqual([])
})

test('every word of the catalogues is used', () => {
  const whole = new Set(strings.filter(({ open }) => !open).map(({ text }) => text))
  const heads = strings.filter(({ text, open }) => open && /^\w+\.(\w+\.)*\w*$/.test(text)).map(({ text }) => text)
  // reasons.ts looks for the words of refusals by code.
  const unused = [...english.keys()].filter((key) => !/^(\w+\.)?errors\./.test(key) && !whole.has(key) && !heads.some((head) => key.startsWith(head)))
  expect(unused).toEqual([])
})

test('no text for people stands outside the catalogues', () => {
  const raw = strings.filter(({ place, name, text }) => {
    if (place === 'key' || name === 'class' || NOT_WORDS.has(text)) return false
    if (place === 'content' || SEEN.has(name ?? '')) return /\p{L}{2}/u.test(text)
    return PROSE.test(text)
  })
  expect(raw.map(({ path, text }) => `${path}: ${text}`)).toEqual([])
})
