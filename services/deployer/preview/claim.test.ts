import type { RepositoryId, RunId } from '@taxiway/domain/ids.ts'
import { done } from '@taxiway/domain/reason.ts'
import type { Preview } from '@taxiway/store/environments/previews.ts'
import { expect, test, vi } from 'vitest'
import { claimPreview, formerPlaces } from './claim.ts'

const planned = { name: 'preview.12', preview: { of: 'preview', number: 12, ttlMs: 60_000, most: 3 } }
const at = '2027-01-01T00:00:00.000Z'

function claiming(answer: string, { environment = planned as object, deploy = {} } = {}) {
  const keep = vi.fn(async (..._: unknown[]) => answer)
  const store = {
    now: () => new Date(at),
    repositories: { read: async () => ({ deploy }) },
    previews: { keep, read: async () => undefined },
  }
  type Call = Parameters<typeof claimPreview>
  const claimed = claimPreview(
    { run: { id: 'run_1', repo: 'repo_1' } } as unknown as Call[0],
    { store, environment, holder: 'me' } as unknown as Call[1],
    { namespace: 'shop-12', cluster: 'reviews', target: { kind: 'kubernetes' } } as unknown as Call[2],
  )
  return { keep, claimed }
}

test('a preview is written down with its place before anything else, under the lane, within both numbers', async () => {
  const { keep, claimed } = claiming('kept')
  expect(await claimed).toEqual(done(undefined))
  expect(keep.mock.calls).toEqual([
    [
      {
        repo: 'repo_1',
        environment: 'preview.12',
        of: 'preview',
        number: 12,
        namespace: 'shop-12',
        cluster: 'reviews',
        target: 'kubernetes',
        runId: 'run_1',
        updatedAt: at,
        ttlMs: 60_000,
      },
      { holder: 'me', most: 3, mostInAll: 20 },
    ],
  ])
})

test('one too many is refused with the way out, by whichever number it was', async () => {
  expect(await claiming('full').claimed).toMatchObject({
    reason: {
      code: 'preview_quota',
      message: expect.stringMatching(/^3 previews of preview .* deploy\.preview\.preview\.most/),
    },
  })
  const none = claiming('full_in_all', { deploy: { previews: 0 } })
  expect(await none.claimed).toMatchObject({
    reason: {
      code: 'preview_quota',
      message: expect.stringMatching(/^0 previews of this repository .* deploy\.previews/),
    },
  })
  expect(none.keep.mock.calls[0]?.[1]).toMatchObject({ mostInAll: 0 })
})

test('who has lost the environment goes no further, and what is no preview is not written down', async () => {
  await expect(claiming('fenced').claimed).rejects.toMatchObject({ how: { end: 'lost' } })
  const { keep, claimed } = claiming('kept', { environment: { name: 'staging' } })
  expect(await claimed).toEqual(done(undefined))
  expect(keep).not.toHaveBeenCalled()
})

test('places that a preview leaves are kept in mind, each once, and not the one that it goes back to', () => {
  const place = (namespace: string, cluster?: string) => ({
    namespace,
    target: 'kubernetes' as const,
    ...(cluster === undefined ? {} : { cluster }),
  })
  const known = (now: object, former?: object[]) =>
    ({ repo: 'repo_1' as RepositoryId, runId: 'run_1' as RunId, ...now, ...(former ? { former } : {}) }) as Preview
  expect(formerPlaces(undefined, place('a'))).toEqual([])
  expect(formerPlaces(known(place('a')), place('a'))).toEqual([])
  expect(formerPlaces(known(place('a')), place('b'))).toEqual([place('a')])
  expect(formerPlaces(known(place('a'), [place('b')]), place('b'))).toEqual([place('a')])
  expect(formerPlaces(known(place('a'), [place('a', 'other'), place('a')]), place('c'))).toEqual([
    place('a', 'other'),
    place('a'),
  ])
})
