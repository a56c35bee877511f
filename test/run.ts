// Runs what needs real parts: what needs Redis, an engine and a registry, what needs Kubernetes as well, and what must be alone.
import { spawnSync } from 'node:child_process'
import { mkdtempSync, readFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
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

const file = join(folder, 'results.json')
const reporters = ['default', './test/world/runner/slowest.ts', 'json'].map((reporter) => `--reporter=${reporter}`)
const which = projects.flatMap((project) => ['--project', project])
const args = ['run', ...which, ...reporters, `--outputFile.json=${file}`, ...others]
const ran = spawnSync('vitest', args, { stdio: ['ignore', 'inherit', 'inherit'], env })
const total = { passed: 0, failed: 0 }
try {
  const { numPassedTests, numFailedTests } = JSON.parse(readFileSync(file, 'utf8'))
  Object.assign(total, { passed: numPassedTests, failed: numFailedTests })
} catch {
  process.stdout.write('No result was written: the set-up failed, see above.\n')
}
process.stdout.write(`${total.passed} passed, ${total.failed} failed\n`)
process.exit(ran.status === 0 && total.failed === 0 && total.passed > 0 ? 0 : 1)
