import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { cpSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { connectEngine } from '@taxiway/docker/engine/engine.ts'
import { afterEach, expect, test } from 'vitest'

const main = join(import.meta.dirname, '../../../services/cli/main.ts')
const { docker } = connectEngine({ dockerHost: process.env.DOCKER_HOST ?? '' })
const folders: string[] = []
const children: ChildProcess[] = []
afterEach(() => {
  for (const child of children.splice(0)) child.kill('SIGKILL')
  for (const folder of folders.splice(0)) rmSync(folder, { recursive: true, force: true })
})

function tree(files: Record<string, string>): string {
  const folder = mkdtempSync(join(tmpdir(), 'taxiway-cli-'))
  folders.push(folder)
  for (const [name, text] of Object.entries({ Dockerfile: 'FROM busybox:stable\n', ...files })) {
    mkdirSync(dirname(join(folder, name)), { recursive: true })
    writeFileSync(join(folder, name), text)
  }
  return folder
}
const pipeline = (test: object, more: object = {}) => ({
  '.taxiway.yaml': JSON.stringify({ version: 1, images: { web: {} }, test, ...more }),
})

/** The real program, as a process of its own. */
function start(cwd: string, args: string[], environment: Record<string, string> = {}) {
  const child = spawn(process.execPath, [main, ...args], { cwd, env: { ...process.env, ...environment } })
  children.push(child)
  const seen = { out: '', err: '' }
  child.stdout.on('data', (chunk) => {
    seen.out += chunk
  })
  child.stderr.on('data', (chunk) => {
    seen.err += chunk
  })
  const ended = once(child, 'close').then(([code]) => ({ code: code as number, ...seen }))
  return { child, ended, seen }
}
const taxiway = (cwd: string, args: string[], environment?: Record<string, string>) =>
  start(cwd, args, environment).ended
const lastLine = (text: string) => text.trimEnd().split('\n').at(-1)

/** What a run left in the engine; its id stands in the name of the images that it built. */
async function leftBy(out: string) {
  const id = /:(local-[0-9a-f]{10})/.exec(out)?.[1]
  expect(id).toBeDefined()
  const filters = { label: [`taxiway.run=${id}`] }
  const images = await docker.listImages({ filters: { reference: ['taxiway-run/*'] } })
  return {
    containers: (await docker.listContainers({ all: true, filters })).length,
    networks: (await docker.listNetworks({ filters })).length,
    images: images.flatMap(({ RepoTags }) => RepoTags ?? []).filter((tag) => tag.includes(id as string)).length,
  }
}
const nothing = { containers: 0, networks: 0, images: 0 }

test('lint shows the plan of a good file, also from a folder below', async () => {
  const folder = tree({
    ...pipeline({ unit: { run: ['make test'], timeout: '90s' } }, { deploy: { staging: {} } }),
    'src/x': '',
    'k8s/web.yaml': '',
  })
  const { code, out, err } = await taxiway(join(folder, 'src'), ['lint'])
  expect({ code, err }).toEqual({ code: 0, err: '' })
  expect(out).toMatch(/^\S*\.taxiway\.yaml is valid\. A push to main does:\n/)
  expect(out).toMatch(/test +unit +in web: make test, at most 90s\n/)
  expect(out).toMatch(/deploy +staging +k8s to namespace \S+-staging\n/)
  expect((await taxiway(folder, ['lint', '--branch', 'feature'])).out).not.toMatch(/deploy/)
  expect(JSON.parse((await taxiway(folder, ['lint', '--json'])).out)).toMatchObject({
    ok: true,
    plan: { tests: [{ name: 'unit' }] },
  })
})
test('lint says what is wrong as compilers do, and ends with 1', async () => {
  const folder = tree({
    '.taxiway.yaml': 'version: 1\nimages:\n  web: {}\ntest:\n  unit:\n    run: [x]\n    timout: 1m\n',
  })
  expect(await taxiway(folder, ['lint'])).toEqual({
    code: 1,
    out: '',
    err: '.taxiway.yaml:7:5: test.unit.timout: unknown key, did you mean timeout?\n        timout: 1m\n        ^\n',
  })
  expect(JSON.parse((await taxiway(folder, ['lint', '--json'])).out)).toMatchObject({
    ok: false,
    reason: { code: 'config_invalid' },
    problems: [{ line: 7, column: 5 }],
  })
  expect(await taxiway(folder, ['lint', '--evnt', 'tag'])).toMatchObject({
    code: 2,
    err: expect.stringMatching(/--evnt/),
  })
})
test('without a file, lint shows what Dockerfile and k8s/ imply', async () => {
  const folder = tree({ Dockerfile: 'FROM busybox:stable AS base\nFROM base AS test\nRUN true\n', 'k8s/web.yaml': '' })
  const { code, out } = await taxiway(folder, ['lint'])
  expect(code).toBe(0)
  expect(out).toMatch(/imply:\n {2}build .*\n {2}test .*stage test of the Dockerfile.*\n {2}deploy +production/)
})

test('run builds and tests the working tree as it is, and leaves nothing behind', async () => {
  const folder = tree({})
  cpSync(join(import.meta.dirname, '../../samples/web'), folder, { recursive: true })
  mkdirSync(join(folder, '.git'))
  writeFileSync(join(folder, '.git/config'), '')
  writeFileSync(join(folder, 'www/index.html'), 'version uncommitted\n')
  writeFileSync(
    join(folder, 'Dockerfile'),
    'FROM busybox:stable\nCOPY . /app\nRUN test ! -e /app/.git\nCOPY www /www\n',
  )
  const { code, out } = await taxiway(folder, ['run', '--no-build-cache'])
  expect({ code, last: lastLine(out) }).toEqual({ code: 0, last: '✓ 1 image built, 1 test passed' })
  expect(out).toMatch(/▸ build web from Dockerfile\n/)
  expect(out).toMatch(/▸ test unit\n\$ sh \/app\/test\.sh\nindex\.html names its version\n\(\d\.\d s\)\n✓ unit passed/)
  expect(out).not.toContain('\u001b[')
  expect(await leftBy(out)).toEqual(nothing)
})
test('colours are for terminals, or where they are asked for', async () => {
  const folder = tree(pipeline({ unit: { run: ['true'] } }))
  expect((await taxiway(folder, ['run'], { FORCE_COLOR: '1' })).out).toContain('\u001b[32m✓ unit passed')
})
test('a failing test ends the run with 1, and the last line names it; --only leaves the others out', async () => {
  const folder = tree(pipeline({ good: { run: ['true'] }, unit: { run: ['echo the cause', 'exit 3'] } }))
  const { code, out } = await taxiway(folder, ['run'])
  expect({ code, last: lastLine(out) }).toEqual({ code: 1, last: '✗ failed: unit (exit code 3: the cause)' })
  expect(await taxiway(folder, ['run', '--only', 'good'])).toMatchObject({
    code: 0,
    out: expect.not.stringMatching(/unit/),
  })
  expect(await taxiway(folder, ['run', '--only', 'nuit'])).toMatchObject({
    code: 2,
    err: expect.stringMatching(/good, unit/),
  })
})
test('a build that fails is told with its step', async () => {
  const folder = tree({ ...pipeline({ unit: { run: ['true'] } }), Dockerfile: 'FROM busybox:stable\nRUN exit 4\n' })
  const { code, out } = await taxiway(folder, ['run'])
  expect(code).toBe(1)
  expect(lastLine(out)).toMatch(/^✗ Image web: .*RUN exit 4/)
})
test('secrets of the environment are mounted in builds, and arguments named like one are warned of', async () => {
  const check = 'test "$(cat /run/secrets/API_KEY)" = very-secret-value && cat /run/secrets/API_KEY'
  const dockerfile = `FROM busybox:stable\nRUN --mount=type=secret,id=API_KEY ${check}\n`
  const web = { secrets: ['API_KEY'], args: { API_TOKEN: 'x' } }
  const folder = tree({ ...pipeline({ unit: { run: ['true'] } }, { images: { web } }), Dockerfile: dockerfile })
  const run = await taxiway(folder, ['run', '--no-build-cache'], { API_KEY: 'very-secret-value' })
  expect({ code: run.code, last: lastLine(run.out) }).toEqual({ code: 0, last: '✓ 1 image built, 1 test passed' })
  expect(run.out).toMatch(/WARNING: build argument API_TOKEN of image web/)
  expect(run.out).toMatch(/#\d+ \*\*\*/)
  expect(run.out).not.toContain('very-secret-value')
  const without = await taxiway(folder, ['run', '--no-build-cache'])
  expect(without.code).toBe(1)
  expect(without.out).toMatch(/secret API_KEY is not in the environment/)
})
test('without an engine one sentence says so', async () => {
  const folder = tree(pipeline({ unit: { run: ['true'] } }))
  const answer = await taxiway(folder, ['run'], { DOCKER_HOST: 'unix:///nonexistent.sock' })
  expect(answer).toMatchObject({ code: 1, out: expect.stringMatching(/nonexistent\.sock does not answer/) })
})

test.each(['SIGINT', 'SIGTERM'] as const)('%s stops the run, which leaves nothing behind', async (signal) => {
  const folder = tree(pipeline({ unit: { run: ['echo begun', 'sleep 100'] } }))
  const { child, ended, seen } = start(folder, ['run'])
  await expect.poll(() => seen.out, { timeout: 20_000 }).toMatch(/^begun$/m)
  expect(await leftBy(seen.out)).toEqual({ containers: 1, networks: 1, images: 1 })
  child.kill(signal)
  expect((await ended).code).toBe(130)
  expect(await leftBy(seen.out)).toEqual(nothing)
})
test('a build is stopped as well', async () => {
  const dockerfile = 'FROM busybox:stable\nRUN echo begun && sleep 100\n'
  const folder = tree({ ...pipeline({ unit: { run: ['true'] } }), Dockerfile: dockerfile })
  const { child, ended, seen } = start(folder, ['run', '--no-build-cache'])
  await expect.poll(() => seen.out, { timeout: 20_000 }).toMatch(/begun$/m)
  child.kill('SIGINT')
  expect((await ended).code).toBe(130)
})

test('services are ready before the test, in each case of the matrix', async () => {
  const db = { image: 'web', command: ['sh', '-c', 'sleep 1; mkdir /w; echo hello > /w/x; httpd -f -p 8080 -h /w'] }
  const folder = tree(
    pipeline({
      first: { run: ['false'], allow_failure: true },
      unit: {
        run: ['test "$(wget -qO- http://db:8080/x)" = hello', 'echo "case $CASE"'],
        matrix: { CASE: ['a', 'b'] },
        services: { db: { ...db, ready: { port: 8080 } }, again: { ...db, ready: { command: 'test -f /w/x' } } },
      },
      broken: {
        run: ['true'],
        services: { db: { image: 'web', command: ['sh', '-c', 'echo no disk; exit 1'], ready: { port: 8080 } } },
      },
      later: { run: ['true'], needs: ['broken'] },
    }),
  )
  const { code, out } = await taxiway(folder, ['run'])
  expect(code).toBe(1)
  expect(out).toMatch(/✓ unit \(CASE=a\) passed[\s\S]*case b\n\(.*\n✓ unit \(CASE=b\) passed/)
  expect(out).toMatch(/first failed, which it may/)
  expect(out).toMatch(/test later is left out: it needs broken/)
  expect(lastLine(out)).toBe('✗ failed: broken (Service db did not become ready: it ended: no disk.)')
  expect(await leftBy(out)).toEqual(nothing)
})
test('images build on each other, secrets are hidden, and what is not done is said', async () => {
  const folder = tree({
    'base/Dockerfile': 'FROM busybox:stable\nRUN echo base > /base\n',
    'web/Dockerfile': 'ARG BASE\nFROM $BASE\nARG WORD\nRUN echo $WORD > /word\n',
    ...pipeline(
      {
        unit: {
          image: 'web',
          run: ['cat /base /word', 'echo "it is $API_KEY"', 'test -z "$NOT_GIVEN"', 'exit 1'],
          secrets: ['API_KEY', 'NOT_GIVEN'],
          retry: 1,
          cache: [{ path: '/c', key: ['x'] }],
          artifacts: { paths: ['/base'] },
        },
      },
      {
        images: {
          base: { context: 'base' },
          web: { context: 'web', from: { BASE: 'base' }, args: { WORD: 'word' } },
        },
      },
    ),
  })
  const { code, out } = await taxiway(folder, ['run'], { API_KEY: 'very-secret-value' })
  expect(code).toBe(1)
  expect(out).toMatch(/not done here: cache of unit, artifacts of unit, publish\n/)
  expect(out).toMatch(/secret NOT_GIVEN is not in the environment/)
  expect(out).toMatch(/\nbase\nword\n/)
  expect(out).toMatch(/it is \*\*\*/)
  expect(out).not.toContain('very-secret-value')
  expect(out).toMatch(/try 2 of 2/)
  expect(await leftBy(out)).toEqual(nothing)
})
