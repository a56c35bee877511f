import type { Release } from '@taxiway/domain/environment/release.ts'
import { expect, test } from 'vitest'
import type { RollOut } from '../roll-out.ts'
import { chooseWayBack, jobsThatRan, noteDown } from './way-back.ts'

const nowMs = Date.parse('2026-03-01T12:00:00Z')
const sha = (letter: string) => letter.repeat(40)
const release = (generation: number, more: Partial<Release> = {}): Release =>
  ({ generation, state: 'live', sha: sha(String(generation)), order: { namespace: 'shop' }, ...more }) as Release

/** A roll-out over these releases, of which the last is live, after somebody looked at it. */
function scene(releases: Release[], seen: object = {}, asked?: object) {
  const saved = new Map(releases.map((one) => [one.generation, one]))
  const live = releases.at(-1)?.generation ?? 0
  const rollOut = {
    stage: { run: { repo: 'repo_1', asked }, log: { say: () => {} } },
    deps: {
      environment: { name: 'production' },
      store: {
        now: () => new Date(nowMs),
        environmentStates: {
          read: async () => ({ generation: live, since: '2026-03-01T11:00:00Z', workloads: [], ...seen }),
        },
        releases: {
          live: async () => saved.get(live),
          read: async (_: string, __: string, generation: number) => saved.get(generation),
          list: async () => [...saved.values()].sort((a, b) => b.generation - a.generation),
          save: async (_: string, __: string, one: Release) => void saved.set(one.generation, one),
        },
      },
    },
    order: { namespace: 'shop' },
  } as unknown as RollOut
  return { rollOut, saved }
}
const down = { workloads: [{ name: 'web', condition: 'down', detail: 'crash loop, exit 9', pods: [] }] }

test('what was down when the next release began is not gone back to where there is an earlier one', async () => {
  const { rollOut, saved } = scene([release(1), release(2)], down)
  await noteDown(rollOut)
  expect(saved.get(2)?.down).toBe('web: crash loop, exit 9')
  const { previous, note } = await chooseWayBack(rollOut)
  expect(previous?.generation).toBe(1)
  expect(note).toBe('; 2222222 was down before (web: crash loop, exit 9)')
})

test('without an earlier one it is given again, and it is said that it was down', async () => {
  const other = release(1, { order: { namespace: 'other' } as Release['order'] })
  const { rollOut } = scene([other, release(2, { down: 'web: no pod was ready' })])
  expect(await chooseWayBack(rollOut)).toMatchObject({
    previous: { generation: 2 },
    note: '; 2222222 was down before as well (web: no pod was ready)',
  })
})

test('a rollback by hand that fails does not end where it came from, nor where it could not go', async () => {
  const all = [release(1), release(2), release(3, { down: 'web: crash loop, exit 9' })]
  expect((await chooseWayBack(scene(all, {}, { generation: 2 }).rollOut)).previous?.generation).toBe(1)
})

test('what is well again is gone back to, and what nobody has looked at keeps its mark', async () => {
  const marked = release(2, { down: 'web: crash loop, exit 9' })
  const well = scene([release(1), marked])
  await noteDown(well.rollOut)
  expect(await chooseWayBack(well.rollOut)).toMatchObject({ previous: { generation: 2 }, note: '' })
  const unseen = scene([release(1), marked], { generation: 3 })
  await noteDown(unseen.rollOut)
  expect(unseen.saved.get(2)?.down).toBe('web: crash loop, exit 9')
})

test('jobs that ran are named', () => {
  const job = (name: string, environment = 'production') =>
    ({ name, environment, when: 'before', state: 'passed' }) as const
  expect(jobsThatRan([job('migrate'), job('other', 'staging')], 'production')).toBe(
    '; job migrate ran, and what it did stays done',
  )
  expect(jobsThatRan([job('migrate'), job('seed')], 'production')).toContain('jobs migrate, seed ran')
  expect(jobsThatRan(undefined, 'production')).toBe('')
})
