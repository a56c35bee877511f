import { spawnSync } from 'node:child_process'
import { existsSync, mkdtempSync, rmSync, utimesSync, writeFileSync } from 'node:fs'
import { hostname, tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as wait } from 'node:timers/promises'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { withLock } from './lock.ts'

let folder = ''
let file = ''
const never = new AbortController().signal
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'lock-'))
  file = join(folder, 'mirror.lock')
})
afterEach(() => rmSync(folder, { recursive: true, force: true }))

const deadPid = () => spawnSync('true').pid

test('work goes one after another, in order, and a failure does not stop the next', async () => {
  const seen: string[] = []
  const work = (name: string) => async () => {
    seen.push(`${name} in`)
    await wait(20)
    seen.push(`${name} out`)
    if (name === 'b') throw new Error('b fails')
  }
  const all = await Promise.allSettled(['a', 'b', 'c'].map((name) => withLock(file, never, work(name))))
  expect(all.map(({ status }) => status)).toEqual(['fulfilled', 'rejected', 'fulfilled'])
  expect(seen).toEqual(['a in', 'a out', 'b in', 'b out', 'c in', 'c out'])
  expect(existsSync(file)).toBe(false)
})
test('the lock of a killed process is taken over at once', async () => {
  writeFileSync(file, `${hostname()} ${deadPid()} x`)
  expect(await withLock(file, AbortSignal.timeout(10_000), async () => 'done')).toBe('done')
})
test('the lock of an earlier process with our number is taken over at once', async () => {
  writeFileSync(file, `${hostname()} ${process.pid} x`)
  expect(await withLock(file, AbortSignal.timeout(10_000), async () => 'done')).toBe('done')
})
test('the lock of another machine holds while it is fresh, and not when it has been silent for 15 s', async () => {
  writeFileSync(file, 'another-machine 1 x')
  await expect(withLock(file, AbortSignal.timeout(200), async () => 'done')).rejects.toThrow()
  const old = new Date(Date.now() - 20_000)
  utimesSync(file, old, old)
  expect(await withLock(file, AbortSignal.timeout(10_000), async () => 'done')).toBe('done')
})
test('who gives up in the line is answered at once', async () => {
  const held = Promise.withResolvers<string>()
  const first = withLock(file, never, () => held.promise)
  await expect(withLock(file, AbortSignal.timeout(30), async () => 'never')).rejects.toThrow()
  held.resolve('done')
  expect(await first).toBe('done')
})
