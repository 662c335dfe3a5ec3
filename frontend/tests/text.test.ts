import { foldedSlug } from '../src/rooms/slugs'
import { expect, test } from 'vitest'
import { nameParts, textParts } from '../src/ui/links'
import { hue, initials } from '../src/ui/people'
import { cleaned, codePoints, isolated, isVisible, shortened, shownTitle, slugFor } from '../src/ui/text'
import { dayLabel } from '../src/ui/time'

const links = (text: string) => textParts(text).flatMap(({ href }) => href ?? [])

test('addresses become links without the punctuation around them', () => {
  expect(textParts('see (https://example.org/a_(b)?x=1&y=2), please.')).toEqual([
    { text: 'see (', href: null },
    { text: 'https://example.org/a_(b)?x=1&y=2', href: 'https://example.org/a_(b)?x=1&y=2' },
    { text: '), please.', href: null },
  ])
})

test.each(['javascript:alert(1)', 'data:text/html,x', 'file:///etc/passwd', 'vbscript:x', '//example.org', 'example.org', '<b>hi</b>'])(
  '%s stays text',
  (text) => expect(links(text)).toEqual([]),
)

test('no character is lost between the parts', () => {
  const text = 'a https://x.test b\nmailto:me@x.test\n\nc'
  expect(textParts(text).map((part) => part.text).join('')).toBe(text)
})

// What one person writes is parsed on everybody's page.
test.each([
  'http://', 'http:', 'mailto:', 'mailto:a@', '//', 'https://a.', 'https://a/(', 'https://a/((((', 'https://a"', 'https://a?', 'http://[', 'ftp://a ', '@', '@.', '@a.', ' @', ' @a-',
  'a@', '.', '(', '\u202e', '@\u0301', 'https://例.', 'http://a:', 'x:',
])('a text full of %j is parsed at once', (part) => {
  for (const text of [part.repeat(10_000 / part.length), `@${part.repeat(9_990 / part.length)}!`, `https://a/${part.repeat(9_980 / part.length)} `]) {
    const begun = performance.now()
    for (const one of textParts(text)) nameParts(one.text)
    expect(performance.now() - begun).toBeLessThan(250)
  }
})

test('length is counted in code points', () => {
  expect(codePoints('a'.repeat(10_000))).toBe(10_000)
  expect(codePoints('👩‍🚀é')).toBe(4)
  expect(codePoints('\ud800x')).toBe(2)
})

test('characters that the server refuses are removed before sending', () => {
  expect(cleaned('\n \n  hello\n there \n\n')).toBe('  hello\n there')
  expect(cleaned('a\0b\ud800')).toBe('ab\ufffd')
  expect(cleaned(' \n\t ')).toBe('')
})

test('a title can neither turn the text around it nor be there unseen', () => {
  expect(shownTitle('Budget \u202egnp.exe')).toBe('Budget gnp.exe')
  expect(shownTitle('\u2067left\u2069 lob\u200bby')).toBe('left lobby')
  expect(shownTitle(' one\ntwo\u2028three ')).toBe('one two three')
  for (const unseen of ['\u200b\u200b', '\u3164', '\u2800 \u00ad', '\u0301', '\u202e', '']) expect(shownTitle(unseen)).toBe('')
})

test.each(['غرفة الاجتماعات', 'می‌خواهم', '👩‍🚀 🏴󠁧󠁢󠁥󠁮󠁧󠁿', 'a\u200fb', 'Größe', 'नमस्ते'])('the title %s stays as it is', (title) =>
  expect(shownTitle(title)).toBe(title),
)

test('what is too long for its place ends with an ellipsis', () => {
  expect(shortened('Lobby', 5)).toBe('Lobby')
  expect(shortened('The lobby', 5)).toBe('The…')
  expect(shortened('🙂🙂🙂', 2)).toBe('🙂…')
})

test('addresses of rooms keep letters of any script', () => {
  expect(slugFor('  Launch week: v1.4! ')).toBe('launch-week-v1-4')
  expect(slugFor('Größe 日本語')).toBe('grösse-日本語')
  expect(slugFor('!!!')).toBe('')
  expect(slugFor('x'.repeat(90))).toHaveLength(64)
})

test.each([
  ['Lobby', 'lobby'],
  ['STRASSE', 'strasse'],
  ['straße', 'strasse'],
  ['Cafe\u0301', 'café'],
  ['ΟΔΥΣΣΕΥΣ', 'οδυσσευσ'],
  ['ılık', 'ılık'],
  ['İzmir', 'i̇zmir'],
  ['ꮳꮃ', 'ᏣᎳ'],
  ['ＡＢ', 'ａｂ'],
])('the address %s is the room %s', (typed, slug) => {
  expect(foldedSlug(typed)).toBe(slug)
})

test.each(['', ' \n\t', '\u200b', '\u2800', '\u3164\u00a0', '\u2060\ufe0f', '\u{e0100}\u0085', '\u202e\u200d'])('%j is invisible', (text) => {
  expect(isVisible(text)).toBe(false)
})

test.each(['.', '❤\ufe0f', '\u0301', '\u{1fae8}', 'ㅤa'])('%j is seen', (text) => {
  expect(isVisible(text)).toBe(true)
})

test('people have initials and a colour that stays', () => {
  expect(initials('Ada Lovelace')).toBe('AL')
  expect(initials('王小明')).toBe('小明')
  expect(initials('grace.m.hopper')).toBe('GH')
  expect(initials('bob')).toBe('BO')
  expect(initials('')).toBe('?')
  expect(hue(7)).toBe(hue(7))
  expect(new Set([1, 2, 3, 4, 5, 6, 7, 8].map(hue)).size).toBe(8)
})

test('days are named as people name them', () => {
  const now = new Date(2026, 2, 10, 0, 5)
  // In the language of the tests.
  const word = new Intl.RelativeTimeFormat(undefined, { numeric: 'auto' })
  expect(dayLabel(new Date(2026, 2, 10), now).toLowerCase()).toBe(word.format(0, 'day').toLowerCase())
  expect(dayLabel(new Date(2026, 2, 9, 23, 59), now).toLowerCase()).toBe(word.format(-1, 'day').toLowerCase())
  expect(dayLabel(new Date(2026, 1, 1), now)).not.toContain('2026')
  expect(dayLabel(new Date(2024, 1, 1), now)).toContain('2024')
})

test('a direction changed in a text ends with the text', () => {
  expect(isolated('ada')).toBe('ada')
  expect(isolated('Größe 聊天 👨‍👩‍👧')).toBe('Größe 聊天 👨‍👩‍👧')
  expect(isolated('שלום')).toBe('\u2068שלום\u2069')
  expect(isolated('\u202eevil\u2069')).toBe('\u2068\u202eevil\u2069')
})
