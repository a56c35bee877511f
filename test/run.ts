// Runs what needs real parts: first all that needs Redis, an engine and a registry, then what needs Kubernetes as well.
import { spawnSync } from 'node:child_process'
import { mkdtempSync, readFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

const folder = mkdtempSync(join(tmpdir(), 'taxiway-results-'))
const total = { passed: 0, failed: 0 }
let isGreen = true
for (const project of ['real', 'cluster']) {
  const file = join(folder, `${project}.json`)
  const ran = spawnSync(
    'vitest',
    [
      'run',
      '--project',
      project,
      '--reporter=default',
      '--reporter=json',
      `--outputFile.json=${file}`,
      ...process.argv.slice(2),
    ],
    { stdio: ['ignore', 'inherit', 'inherit'] },
  )
  if (ran.status !== 0) isGreen = false
  try {
    const { numPassedTests, numFailedTests } = JSON.parse(readFileSync(file, 'utf8'))
    total.passed += numPassedTests
    total.failed += numFailedTests
  } catch {
    isGreen = false
  }
}
process.stdout.write(`${total.passed} passed, ${total.failed} failed\n`)
process.exit(isGreen && total.failed === 0 && total.passed > 0 ? 0 : 1)
