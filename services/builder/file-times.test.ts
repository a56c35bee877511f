import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { type FileTimes, keepTimes } from './file-times.ts'

let folder = ''
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'times-'))
})
afterEach(() => rmSync(folder, { recursive: true, force: true }))
const keep = (files: Record<string, string>, nowMs: number) =>
  keepTimes(
    join(folder, 'tree.times'),
    Object.entries(files).map(([path, id]) => ({ path, id, mode: '100644' })),
    nowMs,
  )
const shown = ({ files }: FileTimes) => Object.fromEntries([...files].map(([path, { atMs }]) => [path, atMs]))

test('what changes is of now, and the rest keeps its time', async () => {
  expect(shown(await keep({ a: '1', b: '2' }, 1000))).toEqual({ a: 1000, b: 1000 })
  expect(shown(await keep({ a: '1', b: '3', c: '4' }, 2000))).toEqual({ a: 1000, b: 2000, c: 2000 })
  expect(shown(await keep({ a: '1', b: '3', c: '4' }, 3000))).toEqual({ a: 1000, b: 2000, c: 2000 })
})

test('a content that comes back is of now: what was built of the other is older', async () => {
  await keep({ a: '1' }, 1000)
  await keep({ a: '2' }, 2000)
  expect(shown(await keep({ a: '1' }, 3000))).toEqual({ a: 3000 })
  await keep({}, 4000)
  expect(shown(await keep({ a: '1' }, 5000))).toEqual({ a: 5000 })
})

test('times go on when the clock goes back', async () => {
  await keep({ a: '1' }, 5000)
  expect(shown(await keep({ a: '2' }, 1000))).toEqual({ a: 5001 })
})

test('a workspace has one name as long as its record can be read', async () => {
  const { lineage } = await keep({ a: '1', __proto__: '2' }, 1000)
  expect((await keep({ a: '1' }, 2000)).lineage).toBe(lineage)
  writeFileSync(join(folder, 'tree.times'), '{"lin')
  const other = await keep({ a: '1' }, 3000)
  expect(other.lineage).not.toBe(lineage)
  expect(shown(other)).toEqual({ a: 3000 })
})
