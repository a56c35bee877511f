import { expect, test } from 'vitest'
import type { RepositoryId, RunId, Sha } from '../ids.ts'
import { fillIn, variablesOf } from '../plan/variables.ts'
import { newRun, type Run } from './run.ts'
import { toldOf } from './told.ts'

const sha = '0123456789abcdef0123456789abcdef01234567' as Sha
const places = { url: 'https://ci.example.com', repositoryUrl: 'https://someone:a-token@git.example.com/acme/web.git' }
const variables = (more: Partial<Run>) => {
  const from = {
    id: 'run_1' as RunId,
    repo: 'repo_1' as RepositoryId,
    repository: 'acme/web',
    message: '',
    author: 'Ada',
  }
  const run = newRun({ ...from, event: 'push', sha, branch: 'main', defaultBranch: 'main', ...more }, '2026-01-01')
  return variablesOf(toldOf({ ...run, number: 7, sequence: 1, version: 1, ...more }, places))
}

test('a push tells its commit, branch, run and repository, and no credentials', () => {
  const told = variables({})
  expect(told).toMatchObject({
    CI: 'true',
    TAXIWAY: 'true',
    TAXIWAY_EVENT: 'push',
    TAXIWAY_SHA: sha,
    TAXIWAY_SHORT_SHA: '0123456789ab',
    TAXIWAY_REF: 'refs/heads/main',
    TAXIWAY_BRANCH: 'main',
    TAXIWAY_TAG: '',
    TAXIWAY_PULL_REQUEST: '',
    TAXIWAY_RUN_NUMBER: '7',
    TAXIWAY_RUN_URL: 'https://ci.example.com/runs/run_1',
    TAXIWAY_REPOSITORY: 'acme/web',
    TAXIWAY_REPOSITORY_URL: 'https://git.example.com/acme/web.git',
    TAXIWAY_DEFAULT_BRANCH: 'main',
    TAXIWAY_AUTHOR: 'Ada',
    BUILD_NUMBER: '7',
    GIT_COMMIT: sha,
  })
  expect(told).not.toHaveProperty('CI_COMMIT_TAG')
})

test('a tag tells its tag, a pull request its number, base and head, also when it runs again', () => {
  for (const event of ['tag', 'rerun'] as const)
    expect(variables({ event, tag: 'v1.2.3', branch: '' })).toMatchObject({
      TAXIWAY_EVENT: 'tag',
      TAXIWAY_REF: 'refs/tags/v1.2.3',
      TAXIWAY_BRANCH: '',
      TAXIWAY_TAG: 'v1.2.3',
      CI_COMMIT_TAG: 'v1.2.3',
    })
  const pullRequest = { number: 5, base: 'main', fork: false }
  expect(variables({ event: 'pull_request', branch: 'topic', pullRequest })).toMatchObject({
    TAXIWAY_EVENT: 'pull_request',
    TAXIWAY_REF: 'refs/pull/5/head',
    TAXIWAY_PULL_REQUEST: '5',
    TAXIWAY_BASE_BRANCH: 'main',
    TAXIWAY_HEAD_BRANCH: 'topic',
    TAXIWAY_BRANCH: 'topic',
  })
})

test('words in braces are what the variables hold, are filled in once, and others stay', () => {
  const told = variables({ branch: '{tag}$(id)', author: 'A\0B' })
  expect(told.TAXIWAY_AUTHOR).toBe('AB')
  expect(fillIn('v{run_number}-{short_sha} {branch} {tag}{unknown} {"a": 1}', told)).toBe(
    'v7-0123456789ab {tag}$(id) {unknown} {"a": 1}',
  )
})
