import { execFileSync } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import type { Sha } from '@taxiway/domain/ids.ts'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { blob, closeScene, codeOf, environment, exported, openScene, push, scene, sh, write } from '../git/git-scene.ts'

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
