import { type ChildProcess, execFileSync, spawn } from 'node:child_process'
import { once } from 'node:events'
import { cpSync, existsSync, mkdtempSync, readdirSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { delimiter, join, resolve } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { freePort } from '../../deploy/local/process.ts'
import { eventually } from '../world/world.ts'

const root = resolve(import.meta.dirname, '../..')
const folder = mkdtempSync(join(tmpdir(), 'taxiway-install-'))
const copy = join(folder, 'taxiway')
/** As a person has it: nothing of this repository's packages, and nothing that npm has set for its scripts. */
const environment = {
  ...Object.fromEntries(Object.entries(process.env).filter(([name]) => !/^(npm_|NODE_|VITEST|TAXIWAY_)/.test(name))),
  PATH: (process.env.PATH ?? '')
    .split(delimiter)
    .filter((path) => !path.includes('node_modules'))
    .join(delimiter),
}
const npm = (...args: string[]): string =>
  execFileSync('npm', args, { cwd: copy, env: environment, encoding: 'utf8', stdio: ['ignore', 'pipe', 'pipe'] })
let taxiway: ChildProcess | undefined

beforeAll(() => {
  const files = execFileSync('git', ['ls-files', '-z', '--cached', '--others', '--exclude-standard'], { cwd: root })
  for (const file of files.toString().split('\0').filter(Boolean))
    if (existsSync(join(root, file))) cpSync(join(root, file), join(copy, file), { verbatimSymlinks: true })
  npm('ci', '--omit=dev', '--prefer-offline')
}, 600_000)
afterAll(() => {
  if (taxiway?.exitCode === null && taxiway.pid) process.kill(-taxiway.pid, 'SIGKILL')
  rmSync(folder, { recursive: true, force: true })
})

test('an installation for production runs by `npm start`, installs nothing more, and ends well', async () => {
  const installed = readdirSync(join(copy, 'node_modules')).sort()
  expect(installed).not.toContain('vitest')
  const port = await freePort()
  taxiway = spawn('npm', ['start'], {
    cwd: copy,
    env: {
      ...environment,
      TAXIWAY_URL: `http://127.0.0.1:${port}`,
      TAXIWAY_PORT: String(port),
      TAXIWAY_BIND: '127.0.0.1',
      TAXIWAY_REGISTRY: process.env.TAXIWAY_REGISTRY ?? '',
      TAXIWAY_DATA: join(folder, 'data'),
    },
    stdio: ['ignore', 'pipe', 'pipe'],
    detached: true,
  })
  let said = ''
  for (const stream of [taxiway.stdout, taxiway.stderr])
    stream?.on('data', (chunk) => {
      said += chunk
    })
  const ended = once(taxiway, 'exit')
  const statusOf = async (path: string) => (await fetch(`http://127.0.0.1:${port}${path}`)).status
  await eventually(async () => expect(await statusOf('/readyz').catch(() => said)).toBe(200), 60_000)
  expect(await statusOf('/livez')).toBe(200)
  expect(said).not.toContain('Installing')
  expect(readdirSync(join(copy, 'node_modules')).sort()).toEqual(installed)
  taxiway.kill('SIGTERM')
  expect(await ended).toEqual([0, null])
  await expect(statusOf('/livez')).rejects.toThrow()
})

test('the builder brings one reader of protocol buffers', () => {
  expect(JSON.parse(npm('query', '[name=protobufjs]'))).toHaveLength(1)
})
