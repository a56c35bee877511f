// Brings node_modules into line with package-lock.json. Runs on any Node from 20, before anything else can. With --production it is
// content without the packages of development, and installs them only where they have been.
import { spawnSync } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'

const root = fileURLToPath(new URL('..', import.meta.url))

/** The packages of a lock file by their places; npm writes one of what it has installed, too. */
function packagesOf(file) {
  try {
    return JSON.parse(readFileSync(`${root}${file}`, 'utf8')).packages
  } catch {
    return {}
  }
}

const { '': _, ...wanted } = packagesOf('package-lock.json')
const installed = packagesOf('node_modules/.package-lock.json')
const production = process.argv.includes('--production') && !Object.values(installed).some(({ dev }) => dev)
const isThere = ([place, { version, dev, devOptional, optional }]) =>
  place in installed ? installed[place].version === version : optional || devOptional || (production && dev)

if (!Object.entries(wanted).every(isThere)) {
  process.stderr.write('Installing packages (once)…\n')
  const omit = production ? ['--omit=dev'] : []
  const options = ['--ignore-scripts', '--no-fund', '--no-audit', '--loglevel=error']
  const result = spawnSync('npm', ['ci', ...omit, ...options], { cwd: root, stdio: ['ignore', 2, 2] })
  if (result.status !== 0) {
    process.stderr.write('npm ci failed; its last lines above say why.\n')
    process.exit(1)
  }
}
