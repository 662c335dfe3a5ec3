import { expect, test } from 'vitest'
import { t } from '../src/i18n'

test('names and numbers are filled in as they are', () => {
  expect(t('blocks.block', { name: '{count} | $&' })).toBe('Block {count} | $&')
  expect(t('manage.select_all', { count: 1234 })).toBe(`Select the ${(1234).toLocaleString()} shown`)
})

test.each([[1, 'You left one room.'], [2, 'You left 2 rooms.']])('the form follows the count: %i', (count, text) => {
  expect(t('manage.left', { count })).toBe(text)
})
