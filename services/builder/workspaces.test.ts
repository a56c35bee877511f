import { existsSync, mkdirSync, mkdtempSync, readdirSync, rmSync, utimesSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { RepositoryId, RunId } from '@taxiway/domain/ids.ts'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { makeWorkspaces } from './workspaces.ts'

let folder = ''
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'workspaces-'))
})
afterEach(() => rmSync(folder, { recursive: true, force: true }))
const run = (id: string, repo = 'repo_a') => ({ id: id as RunId, repo: repo as RepositoryId, attempt: 1 })

/** Takes a workspace and writes into it, as a checkout does. @returns what was there before */
async function use(id: string, { repo = 'repo_a', isWhole = true } = {}): Promise<string[]> {
  const workspace = await makeWorkspaces(folder).take(run(id, repo))
  const before = existsSync(workspace.tree) ? readdirSync(workspace.tree) : []
  mkdirSync(workspace.tree, { recursive: true })
  writeFileSync(join(workspace.tree, id), '')
  if (isWhole) workspace.isWhole()
  else workspace.isHalf()
  await workspace.release()
  return before
}

test('the next run of a repository finds what the last one left, and no other repository does', async () => {
  expect(await use('run_1')).toEqual([])
  expect(await use('run_2', { repo: 'repo_b' })).toEqual([])
  expect(await use('run_3')).toEqual(['run_1'])
  expect(readdirSync(join(folder, 'workspaces'))).toEqual([])
})

test('what a run has not touched is kept', async () => {
  await use('run_1')
  await (await makeWorkspaces(folder).take(run('run_2'))).release()
  expect(await use('run_3')).toEqual(['run_1'])
})

test('what is not whole is not kept', async () => {
  await use('run_1', { isWhole: false })
  expect(await use('run_2')).toEqual([])
  expect(readdirSync(join(folder, 'workspaces'))).toEqual([])
})

test('two runs of a repository at a time have each their own, and the one that was used last is taken first', async () => {
  const workspaces = makeWorkspaces(folder)
  const [one, two] = [await workspaces.take(run('run_1')), await workspaces.take(run('run_2'))]
  for (const workspace of [one, two]) {
    mkdirSync(workspace.tree, { recursive: true })
    writeFileSync(join(workspace.tree, 'x'), '')
    workspace.isWhole()
  }
  await Promise.all([one.release(), two.release()])
  expect(readdirSync(join(folder, 'workspaces'))).toEqual([])
  expect(readdirSync(join(folder, 'spares')).sort()).toEqual(['repo_a.run_1-1', 'repo_a.run_2-1'])
  const longAgo = new Date(Date.now() - 3_600_000)
  utimesSync(join(folder, 'spares/repo_a.run_2-1'), longAgo, longAgo)
  await workspaces.take(run('run_3'))
  expect(readdirSync(join(folder, 'spares'))).toEqual(['repo_a.run_2-1'])
})

test('a spare that nobody takes goes, and all go when there is need of room', async () => {
  const { prune } = makeWorkspaces(folder)
  await use('run_1')
  await prune({ all: false })
  expect(readdirSync(join(folder, 'spares'))).toEqual(['repo_a.run_1-1'])
  const longAgo = new Date(Date.now() - 8 * 24 * 3_600_000)
  utimesSync(join(folder, 'spares/repo_a.run_1-1'), longAgo, longAgo)
  await use('run_2', { repo: 'repo_b' })
  await prune({ all: false })
  expect(readdirSync(join(folder, 'spares'))).toEqual(['repo_b.run_2-1'])
  await prune({ all: true })
  expect(readdirSync(join(folder, 'spares'))).toEqual([])
})
