import { createHash } from 'node:crypto'
import { existsSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import type { Sha } from '@taxiway/domain/ids.ts'
import { bringHistory, type HistoryAsked } from '@taxiway/git/history/history.ts'
import { exportTree } from '@taxiway/git/tree.ts'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { closeScene, credentials, fetched, openScene, order, push, scene, sh, token, write } from '../git/git-scene.ts'

beforeEach(openScene)
afterEach(closeScene)

/** The files of a commit, with the `.git` that was asked for. */
async function checkedOut(sha: Sha, asked: HistoryAsked, { folder = 'mirrors', to = 'out' } = {}) {
  const at = { folder: join(scene.folder, folder) }
  const tree = join(scene.folder, to)
  await exportTree(await fetched(sha, at), sha, tree, { maxFiles: 100, maxMb: 10 })
  const brought = await bringHistory(order(sha, at), tree, asked)
  return { tree, brought, say: (...args: string[]) => sh(tree, '-c', 'safe.directory=*', ...args) }
}
/** All that a `.git` is, by name and content. */
const bytesOf = (tree: string) =>
  readdirSync(join(tree, '.git'), { recursive: true, withFileTypes: true })
    .map((entry) => {
      const path = join(entry.parentPath, entry.name)
      const content = entry.isFile() ? createHash('sha256').update(readFileSync(path)).digest('hex') : 'folder'
      return `${path.slice(tree.length)} ${content}`
    })
    .sort()
const tag = (name: string, ...args: string[]) => {
  sh(scene.work, 'tag', ...args, name)
  sh(scene.work, 'push', '-q', scene.bare, `refs/tags/${name}`)
}
/** Five commits with two tags, a branch and a tag aside. */
function pushHistory(): Sha[] {
  const shas = [1, 2, 3].map((number) => {
    write('a.txt', `${number}`)
    const sha = push(`Commit ${number}`)
    if (number === 1) tag('v1.0', '-a', '-m', 'First')
    if (number === 2) tag('light')
    return sha
  })
  sh(scene.work, 'checkout', '-q', '-b', 'aside')
  write('secret.txt', 'of another branch')
  push('Aside', 'aside')
  tag('v9.9', '-a', '-m', 'Aside')
  sh(scene.work, 'checkout', '-q', 'main')
  write('b.txt', 'b')
  return [...shas, push('Commit 4')]
}

test('git describe works with the history and its tags, and git finds nothing wrong', async () => {
  const sha = pushHistory().at(-1) as Sha
  const { say, tree, brought } = await checkedOut(sha, { tags: true })
  expect(brought).toEqual({ ok: true, value: { commits: 4, tags: 2 } })
  expect(say('describe', '--dirty')).toBe(`v1.0-3-g${sha.slice(0, 7)}`)
  expect(say('describe', '--tags')).toBe(`light-2-g${sha.slice(0, 7)}`)
  expect(say('rev-list', '--count', 'HEAD')).toBe('4')
  expect(say('status', '--porcelain')).toBe('')
  expect(say('fsck', '--strict', '--full')).toBe('')
  writeFileSync(join(tree, 'a.txt'), 'changed')
  expect(say('describe', '--dirty')).toMatch(/-dirty$/)
})

test('what is there is only what the commit reaches, and nothing of who fetched it', async () => {
  const sha = pushHistory().at(-1) as Sha
  const aside = sh(scene.work, 'rev-parse', 'aside')
  await fetched(aside)
  const { say, tree } = await checkedOut(sha, { tags: true })
  expect(() => say('cat-file', '-e', aside)).toThrow()
  expect(say('cat-file', '--batch-all-objects', '--batch-check').split('\n')).toHaveLength(4 + 4 + 4 + 1)
  expect(say('for-each-ref', '--format=%(refname)').split('\n')).toEqual(['refs/tags/light', 'refs/tags/v1.0'])
  expect(say('remote')).toBe('')
  expect(say('config', '--local', '--list').split('\n')).toEqual([
    'core.repositoryformatversion=0',
    'core.filemode=true',
    'core.bare=false',
  ])
  for (const name of ['hooks', 'objects/info/alternates', 'logs'])
    expect(existsSync(join(tree, '.git', name))).toBe(false)
  const files = readdirSync(join(tree, '.git'), { recursive: true, withFileTypes: true }).filter((one) => one.isFile())
  const all = files.map(({ parentPath, name }) => readFileSync(join(parentPath, name), 'latin1')).join()
  for (const word of [token, credentials, scene.folder, '127.0.0.1']) expect(all).not.toContain(word)
})

test('so many commits as asked for, whatever the mirror has, in the same bytes', async () => {
  const [, second, third, last] = pushHistory() as [Sha, Sha, Sha, Sha]
  const two = await checkedOut(last, { depth: 2, tags: true }, { to: 'two' })
  expect(two.say('log', '--format=%H').split('\n')).toEqual([last, third])
  expect(two.say('rev-parse', '--is-shallow-repository')).toBe('true')
  expect(() => two.say('cat-file', '-e', second)).toThrow()
  expect(two.say('tag')).toBe('')
  expect(two.say('fsck', '--full')).toBe('')
  const whole = await checkedOut(last, { tags: true }, { to: 'whole' })
  expect(whole.say('rev-parse', '--is-shallow-repository')).toBe('false')
  const again = await checkedOut(last, { depth: 2, tags: true }, { to: 'again' })
  const elsewhere = await checkedOut(last, { depth: 2, tags: true }, { to: 'elsewhere', folder: 'others' })
  expect(bytesOf(again.tree)).toEqual(bytesOf(two.tree))
  expect(bytesOf(elsewhere.tree)).toEqual(bytesOf(two.tree))
  const wholeElsewhere = await checkedOut(last, { tags: true }, { to: 'whole-elsewhere', folder: 'more' })
  expect(bytesOf(wholeElsewhere.tree)).toEqual(bytesOf(whole.tree))
})

test('tags are those of now: new, moved and deleted ones', async () => {
  const [first, , third, last] = pushHistory() as [Sha, Sha, Sha, Sha]
  await checkedOut(last, { tags: true })
  tag('v2.0', '-a', '-m', 'Second')
  sh(scene.work, 'push', '-q', scene.bare, ':refs/tags/v1.0')
  sh(scene.work, 'tag', '-f', 'light', third)
  sh(scene.work, 'push', '-q', '--force', scene.bare, 'refs/tags/light')
  const { say } = await checkedOut(last, { tags: true })
  expect(say('describe')).toBe('v2.0')
  expect(say('tag').split('\n')).toEqual(['light', 'v2.0'])
  expect(say('rev-parse', 'light')).toBe(third)
  expect((await checkedOut(first, { tags: true })).say('tag')).toBe('')
})

test('a history that is too large, or a host that is away, is told as that and leaves no .git', async () => {
  const sha = pushHistory().at(-1) as Sha
  write('large.bin', Buffer.from(Array.from({ length: 3 * 2 ** 20 }, () => Math.floor(Math.random() * 256))))
  push('Large')
  sh(scene.work, 'rm', '-q', 'large.bin')
  const last = push('Small again')
  const tree = join(scene.folder, 'out')
  await exportTree(await fetched(last), last, tree, { maxFiles: 100, maxMb: 10 })
  const small = await bringHistory(order(last, { limits: { maxMb: 1, deadlineMs: 20_000 } }), tree, {})
  expect(small).toMatchObject({ ok: false, reason: { code: 'clone_too_large' } })
  scene.intercept = (_request, response) => {
    response.writeHead(503, { 'retry-after': '7' }).end()
    return true
  }
  const away = await bringHistory(order(sha), tree, { tags: true })
  expect(away).toMatchObject({ ok: false, reason: { code: 'git_unavailable', retryAfterMs: 7000 } })
  expect(existsSync(join(tree, '.git'))).toBe(false)
})
