import { expect, test } from 'vitest'
import { compare, list, measured, showLanguage, t } from '../src/i18n'
import { dayLabel } from '../src/ui/time'

test('names and numbers are filled in as they are', () => {
  expect(t('blocks.block', { name: '{count} | $&' })).toBe('Block {count} | $&')
  expect(t('manage.select_all', { count: 1234 })).toBe(`Select the ${(1234).toLocaleString()} shown`)
})

test.each([[1, 'You left one room.'], [2, 'You left 2 rooms.']])('the form follows the count: %i', (count, text) => {
  expect(t('manage.left', { count })).toBe(text)
})

test('each language has its own plurals, numbers, dates and order of names', async () => {
  const said = () => [t('browse.members', { count: 2 }), dayLabel(new Date(2026, 2, 3), new Date(2026, 5, 1)), list(['甲', '乙']), ['王', '李'].sort(compare).join('')]
  expect(said()).toEqual(['2 members', 'Tuesday, March 3', '甲 and 乙', expect.anything()])
  await showLanguage('zh')
  expect(said()).toEqual(['2 名成员', '3月3日星期二', '甲和乙', '李王'])
  await showLanguage('en')
})

test.each([
  [0, '0'], [21.5, '21.5'], [-1013.25, '-1,013.25'], [0.00042, '0.00042'], [0.123456, '0.1235'], [123_456.789, '123,456.789'],
  [6.022e23, '6.022E23'], [1e300, '1E300'], [-0.000012, '-1.2E-5'],
])('a measured value of %d is legible', (value, text) => {
  expect(measured(value)).toBe(text)
})

test.each([[1_000, 25], [20.0001, 0.0001], [0, 0.05], [1e9, 1], [-1e-9, 2e-10], [0.3, 1e-7]])('labels from %d on, %d apart, differ', (first, step) => {
  const labels = [0, 1, 2, 3, 4].map((one) => measured(first + one * step, step))
  expect(new Set(labels).size).toBe(5)
  expect(measured(step * 1e-6, step)).toBe('0')
})

test('texts say which person they mean', () => {
  const files = import.meta.glob('../src/**/locales/en.json', { query: '?raw', import: 'default', eager: true })
  expect(Object.keys(files).length).toBeGreaterThan(5)
  expect(Object.entries(files).filter(([, text]) => /: ".*some(?:body|one)\b/i.test(text as string)).map(([name]) => name)).toEqual([])
})
