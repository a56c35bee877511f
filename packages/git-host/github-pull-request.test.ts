import examples from '@octokit/webhooks-examples' with { type: 'json' }
import { expect, test } from 'vitest'
import { github } from './github.ts'

const recorded = (examples as unknown as { name: string; examples: Record<string, any>[] }[]).find(
  ({ name }) => name === 'pull_request',
)?.examples
const opened = recorded?.find(({ action }) => action === 'opened') as Record<string, any>
const parse = (change: (payload: any) => unknown = () => {}) => {
  const payload = structuredClone(opened)
  change(payload)
  return github.parse('pull_request', Buffer.from(JSON.stringify(payload)))
}
const head = () => ({ repo: { full_name: opened.repository.full_name } })

test('a pull request, as GitHub tells it', () => {
  expect(parse()).toEqual({
    ok: true,
    value: {
      kind: 'pull_request',
      repository: 'Codertocat/Hello-World',
      repositoryId: opened.repository.id,
      defaultBranch: 'master',
      number: 2,
      base: 'master',
      branch: 'changes',
      sha: 'ec26c3e57ca3a959ca5aad62de7213c562f8c821',
      fork: false,
      message: 'Update the README with new information.',
      author: 'Codertocat',
    },
  })
})

test('what is from another repository, or from none that can be read, is a fork', () => {
  const fork = (repo: unknown) => parse((p) => Object.assign(p.pull_request.head, { repo }))
  for (const repo of [null, 'acme/shop', {}, { full_name: 'mallory/Hello-World' }, { full_name: ['x'] }])
    expect(fork(repo), JSON.stringify(repo)).toMatchObject({ value: { fork: true } })
  expect(fork({ full_name: head().repo.full_name.toUpperCase() })).toMatchObject({ value: { fork: false } })
})

test('one that was closed is told as such, by repository and number', () => {
  expect(parse((p) => Object.assign(p, { action: 'closed' }))).toEqual({
    ok: true,
    value: {
      kind: 'pull_request_closed',
      repository: 'Codertocat/Hello-World',
      repositoryId: opened.repository.id,
      number: 2,
    },
  })
  expect(parse((p) => Object.assign(p, { action: 'closed', pull_request: { number: '2' } }))).toMatchObject({
    reason: { code: 'body_invalid' },
  })
})

test('one that wants into another branch now is new, too', () => {
  const edited = { action: 'edited', changes: { base: { ref: { from: 'next' } } } }
  expect(parse((p) => Object.assign(p, edited))).toMatchObject({ value: { kind: 'pull_request', base: 'master' } })
})

test('what changes no code is another event', () => {
  for (const action of ['labeled', 'edited', undefined, {}, 7])
    expect(parse((p) => Object.assign(p, { action }))).toEqual({
      ok: true,
      value: { kind: 'other', event: 'pull_request' },
    })
})

test.each([
  ['no repository', 'body_invalid', (p) => delete p.repository],
  ['no pull request', 'body_invalid', (p) => delete p.pull_request],
  ['a number that is a text', 'body_invalid', (p) => Object.assign(p.pull_request, { number: '2/head' })],
  ['a number below one', 'body_invalid', (p) => Object.assign(p.pull_request, { number: 0 })],
  ['a branch that is an option', 'body_invalid', (p) => Object.assign(p.pull_request.head, { ref: '-x' })],
  ['a branch that climbs', 'body_invalid', (p) => Object.assign(p.pull_request.head, { ref: 'a/../b' })],
  ['no base', 'body_invalid', (p) => delete p.pull_request.base],
  ['a title that is no text', 'body_invalid', (p) => Object.assign(p.pull_request, { title: ['x'] })],
  ['a default branch that is an option', 'body_invalid', (p) => Object.assign(p.repository, { default_branch: '-x' })],
  ['a commit by name', 'sha_invalid', (p) => Object.assign(p.pull_request.head, { sha: 'HEAD' })],
] as [string, string, (payload: any) => unknown][])('%s is %s', (_what, code, change) => {
  const read = parse(change)
  expect(read.ok ? 'ok' : read.reason.code).toBe(code)
})
