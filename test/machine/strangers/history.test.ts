import { execFileSync } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import type { Sha } from '@taxiway/domain/ids.ts'
import { leftOut } from '@taxiway/git/left-out.ts'
import { exportTree } from '@taxiway/git/tree.ts'
import { afterEach, beforeEach, expect, test } from 'vitest'
import {
  blob,
  closeScene,
  codeOf,
  environment,
  exported,
  fetched,
  openScene,
  push,
  scene,
  sh,
  write,
} from '../git/git-scene.ts'

beforeEach(openScene)
afterEach(closeScene)

/** Writes an object as it is, valid or not. */
const literally = (type: string, content: Buffer) =>
  execFileSync('git', ['hash-object', '-t', type, '-w', '--stdin', '--literally'], {
    cwd: scene.bare,
    env: environment,
    input: content,
  })
    .toString()
    .trim()
/** A tree of these entries: mode, name, object. */
const treeOf = (...entries: [string, string, string][]) =>
  literally(
    'tree',
    Buffer.concat(
      entries.map(([mode, name, id]) => Buffer.concat([Buffer.from(`${mode} ${name}\0`), Buffer.from(id, 'hex')])),
    ),
  )
const person = 'A Person <a@example.com> 1500000000 +0000'
function commitOf(tree: string, { author = person } = {}): Sha {
  const sha = literally('commit', Buffer.from(`tree ${tree}\nauthor ${author}\ncommitter ${person}\n\nOld\n`))
  sh(scene.bare, 'update-ref', 'refs/heads/main', sha)
  return sha as Sha
}

test('history that old tools wrote, and every host serves, is taken', async () => {
  write('a', 'a')
  push()
  const inner = treeOf(['100644', 'a.txt', blob('kept')])
  const padded = commitOf(treeOf(['040000', 'sub', inner]))
  const { code, to } = await exported(padded)
  expect(code).toBe('ok')
  expect(readFileSync(join(to, 'sub/a.txt'), 'utf8')).toBe('kept')
  const plain = treeOf(['100644', 'a.txt', blob('x')])
  for (const author of [
    'A Person <a@example.com> 1500000000 +051800',
    'A Person <a@example.com> 01500000000 +0000',
    '<a@example.com> 1500000000 +0000',
  ])
    expect([author, await codeOf(commitOf(plain, { author }))]).toEqual([author, 'ok'])
})

test('what could mean other files than it shows is refused for what it is', async () => {
  write('a', 'a')
  push()
  const file = blob('x')
  for (const tree of [
    treeOf(['100644', 'b', file], ['100644', 'a', file]),
    treeOf(['100644', 'a', file], ['100644', 'a', file]),
    treeOf(['100644', '..', file]),
    treeOf(['100644', 'a/b', file]),
  ])
    expect(await codeOf(commitOf(tree))).toBe('content_invalid')
})

test('what a checkout does not bring is named', async () => {
  const oid = 'a'.repeat(64)
  write('model.bin', `version https://git-lfs.github.com/spec/v1\noid sha256:${oid}\nsize 123456789\n`)
  write('about.txt', `version https://git-lfs.github.com/spec/v1 is what a pointer begins with, ${'x'.repeat(60)}\n`)
  push()
  sh(scene.work, 'update-index', '--add', '--cacheinfo', `160000,${'1'.repeat(40)},lib`)
  sh(scene.work, 'commit', '-q', '-m', 'A submodule')
  sh(scene.work, 'push', '-q', scene.bare, 'HEAD:refs/heads/main')
  const sha = sh(scene.work, 'rev-parse', 'HEAD') as Sha
  const mirror = await fetched(sha)
  const files = await exportTree(mirror, sha, join(scene.folder, 'out'), { maxFiles: 100, maxMb: 10 })
  expect(await leftOut(mirror, files.ok ? files.value : [])).toEqual({ pointers: ['model.bin'], submodules: ['lib'] })
})
