import type { Target } from '@taxiway/domain/environment/target.ts'
import type { RepositoryId, RunId } from '@taxiway/domain/ids.ts'
import { done, type Outcome, refuse } from '@taxiway/domain/reason.ts'
import { github } from '@taxiway/git-host/github.ts'
import type { Preview, PreviewTrouble } from '@taxiway/store/environments/previews.ts'
import { afterEach, expect, test, vi } from 'vitest'
import type { WatchDeps } from '../roll-out.ts'
import { sweepPreviews } from './sweep.ts'

const repo = 'repo_1' as RepositoryId
const named = (number: number): Preview => ({
  repo,
  environment: `preview.${number}`,
  of: 'preview',
  number,
  namespace: `shop-${number}`,
  target: 'kubernetes',
  runId: 'run_1' as RunId,
  updatedAt: new Date().toISOString(),
  ttlMs: 3_600_000,
})
const stops: (() => Promise<void>)[] = []
afterEach(async () => {
  for (const stop of stops.splice(0)) await stop()
  vi.restoreAllMocks()
})

/** A sweep over closed previews, whose removal does this. Lanes and record are as the store keeps them. */
function sweeping(numbers: number[], remove: Target['remove']) {
  vi.spyOn(github, 'isPullRequestOpen').mockResolvedValue(done(false))
  const record = new Map(numbers.map((number) => [`preview.${number}`, named(number)]))
  const lanes = new Map<string, string>()
  const troubles = new Map<string, PreviewTrouble & { pauseMs: number }>()
  const left: string[] = []
  let due = [...record.values()]
  const store = {
    random: (bytes: number) => Buffer.alloc(bytes, 7),
    runs: { leaseMs: 10_000 },
    now: () => new Date(),
    repositories: {
      read: async () => ({ host: 'github', name: 'acme/shop', apiUrl: 'https://git.example.com' }),
      token: async () => undefined,
    },
    repositorySecrets: { values: async () => ({ KEY: 'hunter2-secret' }) },
    registries: { credentials: async () => ({}) },
    namespaces: { leave: async (where: string, namespace: string) => void left.push(`${where} ${namespace}`) },
    releases: {
      async holdLane(_repo: string, name: string, holder: string) {
        if ((lanes.get(name) ?? holder) !== holder) return false
        lanes.set(name, holder)
        return true
      },
      leaveLane: async (_repo: string, name: string) => void lanes.delete(name),
    },
    environments: { forget: async (_repo: string, name: string) => record.delete(name) },
    previews: {
      take: async () => due.splice(0),
      read: async (_repo: string, name: string) => record.get(name),
      trouble: async (_repo: string, name: string) => troubles.get(name),
      noteTrouble: async ({ environment }: Preview, trouble: PreviewTrouble, pauseMs: number) =>
        void troubles.set(environment, { ...trouble, pauseMs }),
      clusters: async () => [],
    },
  }
  const target = { remove, where: async () => done('https://cluster') }
  const deps = {
    store,
    config: { previews: { removeMs: 90_000 } },
    targets: { choose: async () => done(target), elsewhere: async () => undefined },
    logger: { info() {}, warn() {}, error() {} },
  } as unknown as WatchDeps
  const part = sweepPreviews(deps)
  stops.push(() => part.stop())
  const again = () => {
    due = [...record.values()]
  }
  return { record, lanes, troubles, left, again }
}
const until = (holds: () => void) => vi.waitFor(holds, { timeout: 5_000, interval: 20 })

test('one whose removal does not end holds up no other', async () => {
  const { record, left } = sweeping([1, 2, 3], (place, _stillHeld, { signal }) =>
    place.environment === 'preview.1'
      ? new Promise<Outcome<void>>((_, reject) => signal.addEventListener('abort', () => reject(signal.reason)))
      : Promise.resolve(done(undefined)),
  )
  await until(() => expect([...record.keys()]).toEqual(['preview.1']))
  expect(left.sort()).toEqual(['https://cluster shop-2', 'https://cluster shop-3'])
})

test('one that can not be removed stays on the record, says why without secrets, and is left alone longer each time', async () => {
  const remove: Target['remove'] = async ({ environment }) => {
    if (environment === 'preview.2') throw new Error('nobody expects this')
    return refuse('removal_unfinished', { what: 'Namespace shop-1', seconds: 42, detail: 'hunter2-secret holds it' })
  }
  const { record, lanes, troubles, again, left } = sweeping([1, 2], remove)
  await until(() => expect(troubles.size).toBe(2))
  const first = troubles.get('preview.1')
  expect(first).toMatchObject({ tries: 1, pauseMs: 30_000, reason: { code: 'preview_stuck' } })
  expect(first?.reason.message).toMatch(/Namespace shop-1 was still there 42 s .*\*\*\* holds it/)
  expect(troubles.get('preview.2')?.reason.message).toMatch(/Something went wrong on our side/)
  again()
  await until(() => expect(troubles.get('preview.1')).toMatchObject({ tries: 2, pauseMs: 60_000 }))
  expect([...record.keys()]).toEqual(['preview.1', 'preview.2'])
  expect(lanes.size).toBe(0)
  expect(left).toEqual([])
})

test('nothing is removed while somebody rolls out, or once it was deployed again', async () => {
  const asked: boolean[] = []
  const { record, troubles } = sweeping([1], async (_place, stillHeld) => {
    asked.push(await stillHeld())
    record.set('preview.1', { ...named(1), runId: 'run_2' as RunId })
    asked.push(await stillHeld())
    return refuse('removal_overtaken', { what: 'Namespace shop-1' })
  })
  await until(() => expect(asked).toEqual([true, false]))
  expect(record.get('preview.1')?.runId).toBe('run_2')
  expect(troubles.size).toBe(0)

  const removed: string[] = []
  const busy = sweeping([4, 5], async ({ environment }) => {
    removed.push(environment)
    return done(undefined)
  })
  busy.lanes.set('preview.4', 'a roll-out')
  await until(() => expect(removed).toEqual(['preview.5']))
  expect([...busy.record.keys()]).toEqual(['preview.4'])
})
