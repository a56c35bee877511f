import { execFileSync, spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, globSync, readdirSync, readFileSync, rmSync, utimesSync, writeFileSync } from 'node:fs'
import type { ServerResponse } from 'node:http'
import { join } from 'node:path'
import type { Sha } from '@taxiway/domain/ids.ts'
import { fetchCommit } from '@taxiway/git/mirror.ts'
import { readBlob } from '@taxiway/git/tree.ts'
import { afterEach, beforeEach, expect, test, vi } from 'vitest'
import {
  closeScene,
  codeOf,
  fetched,
  mirrorFolder,
  openScene,
  order,
  originOf,
  processesFor,
  push,
  scene,
  sh,
  write,
} from './git-scene.ts'

beforeEach(openScene)
afterEach(closeScene)

test('commits fetched at once into one mirror, by two processes, all arrive', async () => {
  const shas: Sha[] = []
  for (let i = 0; i < 6; i++) {
    write('n', String(i))
    shas.push(push())
  }
  const script = join(scene.folder, 'fetch.ts')
  const module = (name: string) => JSON.stringify(join(import.meta.dirname, '../../../packages/git', name))
  writeFileSync(
    script,
    `import { fetchCommit } from ${module('mirror.ts')}
     const orders = JSON.parse(process.argv[2] ?? '')
     const all = await Promise.all(orders.map((order: object) => fetchCommit({ ...order, signal: new AbortController().signal } as never)))
     console.log(all.map((mirror) => (mirror.ok ? 'ok' : mirror.reason.message)).join())`,
  )
  const run = async (part: Sha[]) => {
    const child = spawn(process.execPath, [script, JSON.stringify(part.map((sha) => order(sha)))], {
      stdio: ['ignore', 'pipe', 'inherit'],
    })
    let out = ''
    child.stdout.on('data', (chunk) => (out += chunk))
    await once(child, 'close')
    return out.trim()
  }
  expect(await Promise.all([run(shas.slice(0, 4)), run(shas.slice(2))])).toEqual(['ok,ok,ok,ok', 'ok,ok,ok,ok'])
})

test('a worker killed in the middle of a fetch costs the next one nothing', async () => {
  write('big', Buffer.from(Array.from({ length: 2 ** 20 }, () => Math.random() * 256)))
  const sha = push()
  let held: ServerResponse | undefined
  scene.intercept = (request, response) => {
    if (request.method === 'POST') {
      response.writeHead(200, { 'content-type': 'application/x-git-upload-pack-result' })
      held = response
      return true
    }
    return false
  }
  const script = join(scene.folder, 'fetch.ts')
  writeFileSync(
    script,
    `import { fetchCommit } from ${JSON.stringify(join(import.meta.dirname, '../../../packages/git/mirror.ts'))}
     await fetchCommit({ ...JSON.parse(process.argv[2] ?? ''), signal: new AbortController().signal })`,
  )
  const child = spawn(process.execPath, [script, JSON.stringify(order(sha))], { stdio: 'ignore' })
  await vi.waitFor(() => expect(held).toBeDefined(), 10_000)
  const all = processesFor(originOf(scene.server))
  expect(all.length).toBeGreaterThan(1)
  for (const pid of all) process.kill(pid, 'SIGKILL')
  await once(child, 'close')
  // What a killed git leaves.
  for (const left of ['shallow.lock', 'HEAD.lock', 'objects/pack/tmp_pack_abcdef'])
    writeFileSync(join(mirrorFolder(), left), '')
  expect(existsSync(`${mirrorFolder()}.lock`)).toBe(true)
  scene.intercept = () => false
  const startedMs = performance.now()
  const lines: string[] = []
  expect(await codeOf(sha, { onLine: (line) => lines.push(line) })).toBe('ok')
  expect(lines).toEqual([expect.stringMatching(/^fetching/)])
  expect(performance.now() - startedMs).toBeLessThan(3000)
  expect(existsSync(join(mirrorFolder(), 'objects/pack/tmp_pack_abcdef'))).toBe(false)
})

test('a broken mirror is made anew, and a repository around it is left alone', async () => {
  sh(scene.folder, 'init', '-q')
  write('a', 'one')
  const first = push()
  await fetched(first)
  const breaks: (() => void)[] = [
    () => rmSync(join(mirrorFolder(), 'HEAD')),
    () => writeFileSync(join(mirrorFolder(), 'HEAD'), 'garbage'),
    () => rmSync(join(mirrorFolder(), 'objects/pack'), { recursive: true }),
    () => {
      for (const pack of globSync('objects/pack/*.pack', { cwd: mirrorFolder() })) {
        rmSync(join(mirrorFolder(), pack), { force: true })
        writeFileSync(join(mirrorFolder(), pack), 'PACK')
      }
    },
    () => writeFileSync(join(mirrorFolder(), 'shallow'), 'garbage\n'),
  ]
  for (const [index, damage] of breaks.entries()) {
    damage()
    write('a', `after ${index}`)
    const next = push()
    expect([index, await codeOf(next)]).toEqual([index, 'ok'])
    expect(await readBlob({ folder: mirrorFolder() }, next, 'a', { maxBytes: 100 })).toMatchObject({ ok: true })
    expect([index, await codeOf(first)]).toEqual([index, 'ok'])
  }
  expect(sh(scene.folder, 'for-each-ref')).toBe('')
  expect(existsSync(join(scene.folder, '.git/shallow'))).toBe(false)
})

test('a mirror whose files are damaged is taken away when that shows, so that the next try gets them', async () => {
  write('a', Buffer.from(Array.from({ length: 100_000 }, () => Math.random() * 256)))
  const sha = push()
  await fetched(sha)
  const [pack] = globSync('objects/pack/*.pack', { cwd: mirrorFolder() })
  const path = join(mirrorFolder(), pack as string)
  execFileSync('chmod', ['u+w', path])
  const bytes = readFileSync(path)
  writeFileSync(path, bytes.fill(0x55, 50_000, 51_000))
  const tries = async () => {
    const mirror = await fetchCommit(order(sha))
    return mirror.ok && (await readBlob(mirror.value, sha, 'a', { maxBytes: 200_000 })).ok
  }
  expect(await tries().catch(() => tries())).toBe(true)
})

test('old commits are forgotten, those in use stay', async () => {
  const shas: Sha[] = []
  for (let i = 0; i < 42; i++) {
    write('n', String(i))
    shas.push(push())
  }
  for (const sha of shas.slice(0, 41)) await fetched(sha)
  const refs = join(mirrorFolder(), 'refs/taxiway')
  const old = new Date(Date.now() - 3 * 60 * 60_000)
  for (const sha of shas.slice(0, 41)) utimesSync(join(refs, sha), old, old)
  await fetched(shas[0] as Sha)
  await fetched(shas[41] as Sha)
  expect(readdirSync(refs)).toHaveLength(20)
  expect(readdirSync(refs)).toEqual(expect.arrayContaining([shas[0], shas[41]]))
  const before = scene.requests.length
  expect((await readBlob({ folder: mirrorFolder() }, shas[0] as Sha, 'n', { maxBytes: 10 })).ok).toBe(true)
  expect(scene.requests.length).toBe(before)
  expect(await codeOf(shas[3] as Sha)).toBe('ok')
})
