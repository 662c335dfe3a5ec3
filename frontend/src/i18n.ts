/**
 * The page's words in the reader's language: `t('blocks.unblock', { name })`.
 *
 * The server chooses the language and names it in `<html lang>`. A catalogue is loaded when its language is first used.
 */
import { compile, createMessageContext, type ResourceNode } from '@intlify/core-base'
import { computed, shallowRef } from 'vue'
import type words from './locales/en.json'

/** By the name of the catalogue: what speakers call the language, its tag for browser and server, and its words. */
export const languages = {
  en: { name: 'English', tag: 'en', load: () => import('./locales/en') },
  zh: { name: '简体中文', tag: 'zh-Hans', load: () => import('./locales/zh') },
}
export type Language = keyof typeof languages
/** Compiled words by key. */
export type Catalogue = Readonly<Record<string, string | ResourceNode>>

type Words = typeof words
type ShellKey = { [Group in keyof Words]: `${Group}.${keyof Words[Group] & string}` }[keyof Words]
/** A key of the shell, or `feature.name`; tests/words.test.ts looks for both in the catalogues. */
export type Key = ShellKey | (string & {})

const YEAR_S = 365 * 86_400
/** The order in which a catalogue writes the forms of a plural that its language has. */
const PLURALS = ['zero', 'one', 'two', 'few', 'many', 'other']

const shown = shallowRef<{ language: Language; words: Catalogue }>({ language: 'en', words: {} })
const plurals = computed(() => pluralRule(shown.value.language))

export const language = computed(() => shown.value.language)

/** The language with the reader's region, for dates and numbers: `en-GB` where the browser says so. */
export const locale = computed(() => {
  const { tag } = languages[language.value]
  return globalThis.navigator?.languages?.find((one) => written(one) === written(tag)) ?? tag
})
const numbers = computed(() => new Intl.NumberFormat(locale.value))
/** Formats of measured values, made when they are first used. */
const measures = computed(() => {
  const made = new Map<string, Intl.NumberFormat>()
  const tag = locale.value
  return (notation: 'standard' | 'scientific', digits: number): Intl.NumberFormat => {
    const key = notation + digits
    if (!made.has(key)) made.set(key, new Intl.NumberFormat(tag, { notation, maximumSignificantDigits: digits }))
    return made.get(key)!
  }
})
const collator = computed(() => new Intl.Collator(locale.value))
const regions = computed(() => new Intl.DisplayNames(locale.value, { type: 'region', fallback: 'none' }))
const lists = computed(() => new Intl.ListFormat(locale.value, { type: 'conjunction' }))

/** Numbers are written as the language writes them; `count` chooses the form of a plural. The key itself where there is no such word. */
export function t(key: Key, values: Record<string, string | number> = {}): string {
  const word = shown.value.words[key] ?? key
  if (typeof word === 'string') return word
  const named = Object.fromEntries(Object.entries(values).map(([name, value]) => [name, typeof value === 'number' ? number(value) : value]))
  const { language: of } = shown.value
  const context = createMessageContext({ locale: of, named, pluralIndex: Number(values.count ?? 1), pluralRules: { [of]: plurals.value } })
  return String(compile(word, { locale: of, key, onError: undefined! })(context))
}

/** Whether the language has a word of this key. */
export function has(key: string): boolean {
  return key in shown.value.words
}

export function number(value: number): string {
  return numbers.value.format(value)
}

/** A measured value: 1,013.25, 0.0004, 6.022E23. Labels of an axis that are `step` apart differ. */
export function measured(value: number, step = 0): string {
  const size = Math.abs(value)
  if (!value || size < step / 2) return number(0)
  const places = Math.floor(Math.log10(size))
  const extreme = size >= 1e12 || size < 1e-4
  const usual = extreme || size < 1 ? 4 : places + 4
  const needed = step ? places - Math.floor(Math.log10(step)) + 2 : usual
  return measures.value(extreme ? 'scientific' : 'standard', Math.min(15, Math.max(1, needed))).format(value)
}

/** "Ann, Ben and Cem" */
export function list(names: string[]): string {
  return lists.value.format(names)
}

/** A country by its number of the United Nations; undefined for a place that has none. */
export function country(number: string | number | undefined): string | undefined {
  // Browsers know 276 as another writing of DE.
  const region = number === undefined ? undefined : new Intl.Locale(`und-${number}`).region
  return region && regions.value.of(region)
}

/** The order of names and titles. */
export function compare(a: string, b: string): number {
  return collator.value.compare(a, b)
}

/** Load the catalogue of a language and show the page in it. Rejects where it cannot be loaded. */
export async function showLanguage(next: Language): Promise<void> {
  useWords(next, (await languages[next].load()).default)
}

export function useWords(next: Language, words: Catalogue): void {
  shown.value = { language: next, words }
  if (typeof document !== 'undefined') document.documentElement.lang = languages[next].tag
}

/** Use a language in this browser from now on: the server reads the cookie. */
export async function chooseLanguage(next: Language): Promise<void> {
  await showLanguage(next)
  const secure = location.protocol === 'https:' ? '; secure' : ''
  document.cookie = `django_language=${languages[next].tag.toLowerCase()}; path=/; max-age=${YEAR_S}; samesite=lax${secure}`
}

/** The language that the server chose for the page. */
export function servedLanguage(): Language {
  const [spoken] = document.documentElement.lang.split('-')
  return spoken! in languages ? (spoken as Language) : 'en'
}

/** "zh Hans": the language and the script that a tag means. */
function written(tag: string): string {
  const { language: spoken, script } = new Intl.Locale(tag).maximize()
  return `${spoken} ${script}`
}

function pluralRule(of: Language): (count: number, forms: number) => number {
  const rules = new Intl.PluralRules(of)
  const { pluralCategories } = rules.resolvedOptions()
  const used = PLURALS.filter((name) => pluralCategories.includes(name as Intl.LDMLPluralRule))
  return (count, forms) => Math.min(used.indexOf(rules.select(count)), forms - 1)
}
