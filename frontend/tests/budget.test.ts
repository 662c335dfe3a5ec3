import { expect, test } from 'vitest'
import { entryBudget } from '../entry-budget'

/** Builds an entry of which a feature's files have these lengths. */
function build(feature: string, ...lengths: number[]): void {
  const modules = Object.fromEntries(lengths.map((renderedLength, index) => [`/hubbub/frontend/src/features/${feature}/${index}.ts`, { renderedLength }]))
  const chunk = { type: 'chunk', isEntry: true, name: 'main', imports: [], dynamicImports: [], exports: [], modules }
  const refuse = (message: string): never => {
    throw new Error(message)
  }
  const { generateBundle } = entryBudget()
  ;(generateBundle as unknown as (options: object, bundle: object) => void).call({ error: refuse }, {}, { 'main.js': chunk })
}

test('a feature that puts more than its share into the entry stops the build', () => {
  build('polls', 1_000, 500)
  expect(() => build('polls', 1_000, 501)).toThrow('The feature polls puts 1501 characters into main')
})

test('what every room needs at once may be larger', () => build('messages', 9_000))
