import type { TargetPlace } from '@taxiway/domain/environment/target.ts'
import { done } from '@taxiway/domain/reason.ts'
import { expect, test } from 'vitest'
import type { WatchDeps } from '../roll-out.ts'
import { makeSweepOrphans } from './orphans.ts'

const ours = `repo_${'a'.repeat(20)}`
const unknown = `repo_${'b'.repeat(20)}`
const place = (environment: string, namespace: string, repositoryId = ours): TargetPlace => ({
  repositoryId,
  environment,
  namespace,
})

/** One pass over a cluster that bears these. @returns the namespaces that were asked to be removed, and clusters forgotten */
async function sweep(found: TargetPlace[], { record = {}, lanes = {}, stuck = '', cluster = ours } = {}) {
  const removed: string[] = []
  const forgotten: string[] = []
  const held = new Map<string, string>(Object.entries(lanes))
  const target = {
    previews: async () => done(found),
    where: async () => done('https://cluster'),
    async remove({ namespace }: TargetPlace, stillHeld: () => Promise<boolean>) {
      if (namespace === stuck) throw new Error('it stays')
      if (await stillHeld()) removed.push(namespace)
      return done(undefined)
    },
  }
  const store = {
    random: (bytes: number) => Buffer.alloc(bytes, 7),
    runs: { leaseMs: 10_000 },
    repositories: { read: async (id: string) => (id === ours ? { id } : undefined) },
    namespaces: { leave: async () => {} },
    releases: {
      async holdLane(_repo: string, name: string, holder: string) {
        if ((held.get(name) ?? holder) !== holder) return false
        held.set(name, holder)
        return true
      },
      leaveLane: async (_repo: string, name: string) => void held.delete(name),
    },
    previews: {
      clusters: async () => [{ repo: cluster }],
      forgetCluster: async ({ repo }: { repo: string }) => void forgotten.push(repo),
      read: async (_repo: string, name: string) => (record as Record<string, object>)[name],
    },
  }
  const logger = { info() {}, warn() {} }
  const deps = {
    store,
    logger,
    targets: { choose: async () => done(target), elsewhere: async () => undefined },
  } as unknown as WatchDeps
  await makeSweepOrphans(deps)(new AbortController().signal)
  return { removed: removed.sort(), forgotten }
}

test('a namespace that no preview on the record has is removed, and one that a preview has is not', async () => {
  const record = { 'preview.1': { namespace: 'shop-1' }, 'preview.2': { namespace: 'moved-2' } }
  const found = [place('preview.1', 'shop-1'), place('preview.2', 'shop-2'), place('preview.3', 'shop-3')]
  expect((await sweep(found, { record })).removed).toEqual(['shop-2', 'shop-3'])
})

test('what is of no repository that is registered here stays, whatever its labels say', async () => {
  const found = [place('preview.1', 'theirs', unknown), place('preview.1', 'odd', 'kube-system'), place('', '', '')]
  expect((await sweep(found)).removed).toEqual([])
})

test('nothing is removed while somebody rolls out there, and one that stays holds up no other', async () => {
  const found = [place('preview.1', 'shop-1'), place('preview.2', 'shop-2'), place('preview.3', 'shop-3')]
  const { removed } = await sweep(found, { lanes: { 'preview.1': 'a roll-out' }, stuck: 'shop-2' })
  expect(removed).toEqual(['shop-3'])
})

test('a cluster is not looked at any more for a repository that is gone', async () => {
  expect(await sweep([place('preview.1', 'shop-1')], { cluster: unknown })).toEqual({
    removed: [],
    forgotten: [unknown],
  })
})
