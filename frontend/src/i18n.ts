/**
 * The page's words, in one place: `t('blocks.unblock', { name })`.
 *
 * The file has the form vue-i18n reads: `{name}` is filled in, `one | many` is chosen by `count`.
 */
import words from './locales/en.json'

type Words = typeof words
export type Key = { [Group in keyof Words]: `${Group}.${keyof Words[Group] & string}` }[keyof Words]

export function t(key: Key, values: Record<string, string | number> = {}): string {
  const [group, name] = key.split('.') as [keyof Words, string]
  const forms = (words[group] as Record<string, string>)[name]!.split(' | ')
  const form = forms.length > 1 && values.count !== 1 ? forms[1]! : forms[0]!
  return form.replace(/\{(\w+)\}/g, (_, field: string) => shown(values[field] ?? ''))
}

function shown(value: string | number): string {
  return typeof value === 'number' ? value.toLocaleString() : value
}
