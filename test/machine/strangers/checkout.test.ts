import { execFile, execFileSync } from 'node:child_process'
import { mkdtempSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { type ImageWorld, makeImageWorld } from '../../world/image-world.ts'
import { isOver } from '../../world/taxiway.ts'
import { environment } from '../git/git-scene.ts'

let images: ImageWorld
beforeAll(async () => {
  images = await makeImageWorld('checkout')
})
afterAll(() => images?.stop())

/** Not the synchronous kind: the git host is in this very process. */
const git = async (cwd: string, ...args: string[]) =>
  (await promisify(execFile)('git', args, { cwd, env: environment })).stdout.trim()
const copies = `FROM busybox:stable\nCOPY . /src\nRUN cat /src/.git/HEAD && echo ${Date.now()}\n`
/** What a test prints of the image's files: the log is of lines, so they go by it as text. */
const tell = ['echo BEGIN; tar -c -C /src . | base64; echo END']
function unpacked(log: string): string {
  const folder = mkdtempSync(join(tmpdir(), 'taxiway-described-'))
  const text = /^BEGIN\n([\s\S]*?)^END$/m.exec(log)?.[1] ?? ''
  execFileSync('tar', ['-x', '-C', folder], { input: Buffer.from(text, 'base64') })
  return folder
}

test('a build that asks for history can describe its commit, and a run of the same commit takes its layers from the cache', async () => {
  const { tree, pushUrl, taxiway } = images.world
  await images.run({ images: { web: {} } }, { Dockerfile: 'FROM busybox:stable\n' })
  await git(tree, 'tag', '-a', '-m', 'First', 'v1.0')
  await git(tree, 'push', '-q', pushUrl, 'refs/tags/v1.0')
  const checkout = { history: 'full', tags: true }
  const { run, log } = await images.run(
    { checkout, images: { web: {} }, test: { unit: { run: tell } } },
    { Dockerfile: copies },
  )
  expect(run).toMatchObject({ state: 'succeeded' })
  expect(log).toContain('.git holds 2 commit(s) and 1 tag(s)')
  const folder = unpacked(log)
  expect(await git(folder, '-c', 'safe.directory=*', 'describe', '--dirty')).toBe(`v1.0-1-g${run.sha.slice(0, 7)}`)
  const again = await taxiway.call('POST', `/runs/${run.id}/rerun`)
  expect(await taxiway.waitRun(again.body.id, isOver, 90_000)).toMatchObject({ state: 'succeeded' })
  expect(await taxiway.log(again.body.id)).toMatch(/#(\d+) \[\d\/3\] RUN cat \/src\/.git\/HEAD .*\n(.*\n)*#\1 CACHED/)
})

test('who does not ask for it finds no .git, also where an earlier run had one, and is told how to get it', async () => {
  const { run } = await images.run(
    { images: { web: {} } },
    { Dockerfile: 'FROM busybox:stable\nCOPY .git /src/.git\n' },
  )
  expect(run).toMatchObject({ state: 'failed', reason: { code: 'build_failed' } })
  expect(run.reason.message).toContain('.git is there only with "checkout: { history: full, tags: true }"')
})

test('files of Git LFS are in the image when asked for, else named with the way to get them', async () => {
  const { largeFiles } = images.world.host.repository(images.world.repository.name)
  const files = { 'model.bin': largeFiles.put('the model'), Dockerfile: 'FROM busybox:stable\nCOPY model.bin /\n' }
  const look = { images: { web: {} }, test: { unit: { run: ['cat /model.bin'] } } }
  const without = await images.run(look, files)
  expect(without.log).toContain('model.bin: Git LFS pointers, which are only fetched with "checkout: { lfs: true }"')
  expect(without.log).toMatch(/^oid sha256:/m)
  expect(JSON.stringify(without.run.notes)).toContain('pointers_left')
  const { run, log } = await images.run({ ...look, checkout: { lfs: true } })
  expect([run.state, run.notes]).toEqual(['succeeded', undefined])
  expect(log).toMatch(/^the model$/m)
  const missing = await images.run(
    { ...look, checkout: { lfs: true } },
    {
      'model.bin': files['model.bin'].replace(/sha256:../, 'sha256:ff'),
    },
  )
  expect(missing.run).toMatchObject({ state: 'failed', reason: { code: 'large_file_missing' } })
})
