import { execFileSync } from 'node:child_process'
import { existsSync, lstatSync, mkdirSync, readdirSync, readFileSync, readlinkSync, symlinkSync } from 'node:fs'
import { join } from 'node:path'
import type { Sha } from '@taxiway/domain/ids.ts'
import { fetchCommit } from '@taxiway/git/mirror.ts'
import { listTree, readBlob } from '@taxiway/git/tree.ts'
import { afterEach, beforeEach, expect, test } from 'vitest'
import {
  blob,
  closeScene,
  environment,
  exported,
  fetched,
  openScene,
  order,
  originOf,
  push,
  pushTree,
  pwned,
  scene,
  sh,
  write,
} from './git-scene.ts'

beforeEach(openScene)
afterEach(closeScene)

test('hooks, filters and submodules of a repository do nothing', async () => {
  write('.gitattributes', '*.txt filter=pwn\n*.bin filter=lfs diff=lfs\n')
  write('a.txt', 'plain\n')
  write('b.bin', 'version https://git-lfs.github.com/spec/v1\n')
  write('.githooks/post-checkout', `#!/bin/sh\ntouch ${pwned}\n`)
  write('.gitconfig', `[filter "pwn"]\n\tsmudge = touch ${pwned}\n`)
  write('.lfsconfig', '[lfs]\n\turl = http://127.0.0.1:1/\n')
  write('.gitmodules', `[submodule "s"]\n\tpath = s\n\turl = ${originOf(scene.server)}/o/r.git\n`)
  sh(scene.work, 'update-index', '--add', '--cacheinfo', `160000,${'1'.repeat(40)},s`)
  const sha = push()
  sh(scene.work, 'update-index', '--add', '--cacheinfo', `160000,${'1'.repeat(40)},s`)
  sh(scene.work, 'commit', '-q', '-m', 'A submodule')
  sh(scene.work, 'push', '-q', scene.bare, 'HEAD:refs/heads/main')
  const { to, code } = await exported(sh(scene.work, 'rev-parse', 'HEAD') as Sha)
  expect(code).toBe('ok')
  expect(sha).not.toBe('')
  expect(readFileSync(join(to, 'a.txt'), 'utf8')).toBe('plain\n')
  expect(readFileSync(join(to, 'b.bin'), 'utf8')).toMatch(/^version https/)
  expect(readdirSync(join(to, 's'))).toEqual([])
  expect(existsSync(join(to, '.git'))).toBe(false)
})

test('a name that means .git is not written, in whatever spelling', async () => {
  const object = blob('x')
  for (const name of ['.git', '.GIT', 'git~1', '.git\u200c']) {
    const sha = pushTree(`100644 blob ${object}\t${name}\0`)
    const mirror = await fetchCommit(order(sha))
    if (!mirror.ok) continue
    expect([name, (await exported(sha)).code]).toEqual([name, 'path_outside_repo'])
  }
  const link = pushTree(`120000 blob ${blob('/etc')}\t.git\0`)
  const mirror = await fetchCommit(order(link))
  expect(mirror.ok && (await exported(link)).code).not.toBe('ok')
})

test('a link and a folder of one name write nothing through the link', async () => {
  const outside = join(scene.folder, 'outside')
  mkdirSync(outside)
  const inner = execFileSync('git', ['mktree'], {
    cwd: scene.bare,
    env: environment,
    input: `100644 blob ${blob('x')}\tpwn\n`,
  })
  const sha = pushTree(`120000 blob ${blob(outside)}\ta\x00040000 tree ${inner.toString().trim()}\ta\0`)
  const tree = await fetchCommit(order(sha))
  if (tree.ok) await exported(sha).catch(() => {})
  expect(readdirSync(outside)).toEqual([])
})

test('links are written as links, names with line breaks as they are, and modes are kept', async () => {
  write('bin/run', 'x')
  execFileSync('chmod', ['+x', join(scene.work, 'bin/run')])
  write('new\nline', 'x')
  symlinkSync('/etc/passwd', join(scene.work, 'link'))
  const sha = push()
  const { to } = await exported(sha)
  expect(readlinkSync(join(to, 'link'))).toBe('/etc/passwd')
  expect(lstatSync(join(to, 'bin/run')).mode & 0o111).not.toBe(0)
  expect(readFileSync(join(to, 'new\nline'), 'utf8')).toBe('x')
  expect(await listTree(await fetched(sha), sha)).toEqual(['bin/run', 'link', 'new\nline'])
})

test('a file is read through links that stay inside, and not through those that lead out', async () => {
  write('k8s/web.yaml', 'web')
  write('large', 'x'.repeat(5000))
  write('secret', 'x')
  symlinkSync('k8s/web.yaml', join(scene.work, 'inside'))
  symlinkSync('k8s', join(scene.work, 'folder'))
  symlinkSync('/etc/passwd', join(scene.work, 'absolute'))
  symlinkSync('../../etc/passwd', join(scene.work, 'k8s/up'))
  symlinkSync('loop', join(scene.work, 'loop'))
  symlinkSync('nowhere', join(scene.work, 'dangling'))
  const sha = push()
  const mirror = await fetched(sha)
  const read = async (path: string) => {
    const file = await readBlob(mirror, sha, path, { maxBytes: 4096 })
    return file.ok ? file.value.toString() : `${file.reason.code}: ${file.reason.message}`
  }
  expect(await read('k8s/web.yaml')).toBe('web')
  expect(await read('./inside')).toBe('web')
  expect(await read('folder/web.yaml')).toBe('web')
  expect(await read('absolute')).toBe('path_outside_repo: absolute -> /etc/passwd leads out of the repository.')
  expect(await read('k8s/up')).toBe('path_outside_repo: k8s/up -> ../etc/passwd leads out of the repository.')
  expect(await read('folder/up')).toMatch(/^path_outside_repo/)
  expect(await read('../secret')).toMatch(/^path_outside_repo/)
  for (const path of ['loop', 'dangling', 'nothing', 'k8s', '.', 'k8s/web.yaml/x'])
    expect(await read(path)).toMatch(/^file_not_found/)
  expect(await read('large')).toBe('file_too_large: large is larger than 4 KB.')
})

test('bombs are refused before anything is written', async () => {
  write('zeros', Buffer.alloc(5 * 2 ** 20))
  for (let i = 0; i < 30; i++) write(`f${i}`, 'x')
  const sha = push()
  expect(await exported(sha, { maxMb: 4 })).toMatchObject({ code: 'clone_too_large', message: /4 MB/ })
  expect(await exported(sha, { maxFiles: 30 })).toMatchObject({ code: 'clone_too_large', message: /30 files/ })
  expect(existsSync(join(scene.folder, 'out'))).toBe(false)
  let tree = execFileSync('git', ['mktree'], {
    cwd: scene.bare,
    env: environment,
    input: `100644 blob ${blob('x')}\tx\n`,
  })
    .toString()
    .trim()
  for (let i = 0; i < 40; i++)
    tree = execFileSync('git', ['mktree'], {
      cwd: scene.bare,
      env: environment,
      input: `040000 tree ${tree}\t${'d'.repeat(120)}\n`,
    })
      .toString()
      .trim()
  const deep = pushTree(`040000 tree ${tree}\td\0`)
  expect(await exported(deep)).toMatchObject({ code: 'clone_too_large', message: /path/ })
})
