/** Fails the build when a feature puts too much into the chunk that every visit loads. */
import type { Plugin } from 'vite'

/** Before it is minified, which takes about a third off: 1 kB as sent. */
const MAX_CHARACTERS = 1_500
/** Every room needs these at once. */
const AT_ONCE = ['messages', 'typing']
/** Not modules, see src/sw.ts. */
const PLAIN_SCRIPTS = ['sw', 'theme']

export function entryBudget(): Plugin {
  return {
    name: 'entry-budget',
    apply: 'build',
    generateBundle(_, bundle) {
      for (const chunk of Object.values(bundle)) {
        if (chunk.type !== 'chunk' || !chunk.isEntry) continue
        if (PLAIN_SCRIPTS.includes(chunk.name)) {
          if (chunk.imports.length || chunk.dynamicImports.length || chunk.exports.length) this.error(`${chunk.name} is loaded as a plain script: it must import nothing that the page imports.`)
          continue
        }
        for (const [feature, size] of sizes(Object.entries(chunk.modules))) {
          if (AT_ONCE.includes(feature) || size <= MAX_CHARACTERS) continue
          this.error(
            `The feature ${feature} puts ${size} characters into ${chunk.name}, more than ${MAX_CHARACTERS}. Import its components with \`() => import(…)\`.`,
          )
        }
      }
    },
  }
}

function sizes(modules: [path: string, module: { renderedLength: number }][]): Map<string, number> {
  const found = new Map<string, number>()
  for (const [path, { renderedLength }] of modules) {
    const feature = /\/src\/features\/([^/]+)\//.exec(path)?.[1]
    if (feature) found.set(feature, (found.get(feature) ?? 0) + renderedLength)
  }
  return found
}
