/** What the page of features shows of each. */
import type { FeatureState } from '../api'
import type { About, Feature } from '../features/registry'
import { t } from '../i18n'

export interface Card {
  name: string
  title: string
  about: About | null
  on: boolean
  /** null for what cannot be switched: a part of the core */
  state: FeatureState | null
}

/** What features say about themselves, in the page's order. */
export async function descriptions(features: readonly Feature[]): Promise<Map<string, About>> {
  const described = features.filter(({ about }) => about)
  const found = await Promise.all(described.map(async ({ name, about }) => [name, (await about!()).default] as const))
  return new Map(found)
}

/** Those that say something about themselves, then the others of the server. `on`: names. */
export function cardsOf(described: ReadonlyMap<string, About>, states: readonly FeatureState[], on: ReadonlySet<string>): Card[] {
  const byName = new Map(states.map((state) => [state.name, state]))
  const drawn = new Set(described.keys())
  const known = [...described].map(([name, about]) => ({ name, title: t(about.title), about }))
  const others = states.filter(({ name }) => !drawn.has(name)).map(({ name }) => ({ name, title: name, about: null }))
  return [...known, ...others].map((card) => ({ ...card, on: on.has(card.name), state: byName.get(card.name) ?? null }))
}
