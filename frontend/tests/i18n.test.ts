import { expect, test } from 'vitest'
import { compare, list, showLanguage, t } from '../src/i18n'
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
