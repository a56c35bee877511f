import type { RepositoryId, RunId } from '@taxiway/domain/ids.ts'
import { done, type Outcome, refuse } from '@taxiway/domain/reason.ts'
import { github } from '@taxiway/git-host/github.ts'
import type { Preview } from '@taxiway/store/environments/previews.ts'
import { afterEach, expect, test, vi } from 'vitest'
import { pauseAfter } from './remove.ts'
import { whyOver } from './sweep.ts'

const updatedAt = '2027-01-01T00:00:00.000Z'
const preview: Preview = {
  repo: 'repo_1' as RepositoryId,
  environment: 'preview.12',
  of: 'preview',
  number: 12,
  namespace: 'shop-12',
  target: 'docker',
  runId: 'run_1' as RunId,
  updatedAt,
  ttlMs: 60_000,
}
const repository = { host: 'github', name: 'acme/shop', apiUrl: 'https://git.example.com/api/v3' }
afterEach(() => vi.restoreAllMocks())

/** Why it is over, so long after its last deploy, by what the git host says. */
function why(afterMs: number, said: Outcome<boolean>, registered: object | undefined = repository) {
  const asked = vi.spyOn(github, 'isPullRequestOpen').mockResolvedValue(said)
  const store = {
    repositories: { read: async () => registered, token: async () => 'a token' },
    now: () => new Date(Date.parse(updatedAt) + afterMs),
  }
  const deps = { store, logger: { warn: () => {} } } as unknown as Parameters<typeof whyOver>[0]
  return { asked, over: whyOver(deps, preview, new AbortController().signal) }
}

test('a preview stays while its pull request is open and its time is not over', async () => {
  const { asked, over } = why(59_999, done(true))
  expect(await over).toBeUndefined()
  expect(asked).toHaveBeenCalledWith(
    { apiUrl: repository.apiUrl, token: 'a token' },
    'acme/shop',
    12,
    expect.anything(),
  )
})

test('it is over when the pull request is closed, when its time is, and when its repository is gone', async () => {
  expect(await why(0, done(false)).over).toBe('pull request 12 is closed')
  expect(await why(60_000, done(true)).over).toBe('its time is over')
  const gone = { store: { repositories: { read: async () => undefined } } } as unknown as Parameters<typeof whyOver>[0]
  expect(await whyOver(gone, preview, new AbortController().signal)).toMatch(/not registered/)
})

test('a git host that can not be asked keeps it', async () => {
  for (const said of [
    refuse('git_unavailable', { host: 'git.example.com', detail: 'no answer in time' }),
    refuse('git_auth_failed', { host: 'git.example.com' }),
    refuse('ref_not_found', { ref: 'pull request 12' }),
  ])
    expect(await why(0, said).over).toBeUndefined()
})

test('what could not be removed is left alone longer each time, an hour at most', () => {
  expect([1, 2, 3].map((tries) => pauseAfter(tries, 90_000))).toEqual([30_000, 60_000, 120_000])
  expect(pauseAfter(30, 90_000)).toBe(3_600_000)
})
