// Runs what needs real parts: what needs Redis, an engine and a registry, what needs Kubernetes as well, and what must be alone.
import { spawnSync } from 'node:child_process'
import { mkdtempSync, readFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join, relative } from 'node:path'
import { parseArgs } from 'node:util'

const usage = `npm test [-- [--cluster VERSION] [vitest's own options and files]]

  --cluster VERSION   only the tests of the cluster, on a local Kubernetes of that version: 1.34 or 1.20
  --help              this text`

const { values, tokens } = parseArgs({
  options: { cluster: { type: 'string' }, help: { type: 'boolean', short: 'h' } },
  strict: false,
  tokens: true,
})
if (values.help) {
  console.log(usage)
  process.exit(0)
}
const ours = new Set(
  tokens.flatMap((token) =>
    token.kind === 'option' && token.name === 'cluster'
      ? [token.index, ...(token.inlineValue ? [] : [token.index + 1])]
      : [],
  ),
)
const others = process.argv.slice(2).filter((_, index) => !ours.has(index))
const projects = values.cluster ? ['cluster'] : ['machine', 'cluster', 'alone']
const folder = mkdtempSync(join(tmpdir(), 'taxiway-results-'))
const env = { ...process.env, ...(values.cluster ? { TAXIWAY_LOCAL_KUBERNETES: String(values.cluster) } : {}) }

interface Results {
  numPassedTests: number
  numFailedTests: number
  testResults: { name: string; status: string }[]
}

/** Runs vitest. @returns what it wrote; undefined when the set-up failed */
function run(name: string, options: string[]): { isGreen: boolean; results: Results | undefined } {
  const file = join(folder, `${name}.json`)
  const reporters = ['default', './test/world/slowest.ts', 'json'].map((reporter) => `--reporter=${reporter}`)
  const which = projects.flatMap((project) => ['--project', project])
  const args = ['run', ...which, ...reporters, `--outputFile.json=${file}`, ...options]
  const { status } = spawnSync('vitest', args, { stdio: ['ignore', 'inherit', 'inherit'], env })
  try {
    return { isGreen: status === 0, results: JSON.parse(readFileSync(file, 'utf8')) }
  } catch {
    process.stdout.write('No result was written: the set-up failed, see above.\n')
    return { isGreen: false, results: undefined }
  }
}

const first = run('first', others)
let { numPassedTests: passed, numFailedTests: failed } = first.results ?? { numPassedTests: 0, numFailedTests: 0 }
let { isGreen } = first
// Side by side, a test may fail for want of a processor. Alone it has to pass; what needs that is told, as it should not.
const red = first.results?.testResults.filter(({ status }) => status === 'failed').map(({ name }) => name) ?? []
if (red.length > 0 && red.length <= 12) {
  process.stdout.write(`\nOnce more, one after another: ${red.map((name) => relative('.', name)).join(', ')}\n`)
  const again = run('again', ['--maxWorkers=1', ...red])
  isGreen = again.isGreen
  const stillFailed = again.results?.numFailedTests ?? failed
  passed += failed - stillFailed
  failed = stillFailed
  if (isGreen) process.stdout.write('They pass alone. They are not sure of themselves beside others: mend them.\n')
}
process.stdout.write(`${passed} passed, ${failed} failed\n`)
process.exit(isGreen && failed === 0 && passed > 0 ? 0 : 1)
