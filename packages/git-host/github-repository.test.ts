import examples from '@octokit/webhooks-examples' with { type: 'json' }
import { expect, test } from 'vitest'
import { github, guessRepositoryIds } from './github.ts'

const recorded = examples as unknown as { name: string; examples: Record<string, any>[] }[]
const example = (event: string, action: string) =>
  structuredClone(recorded.find(({ name }) => name === event)?.examples.find((one) => one.action === action)) as any
const parse = (event: string, payload: unknown) => github.parse(event, Buffer.from(JSON.stringify(payload)))
const sha = 'c'.repeat(40)
const repository = { id: 7, full_name: 'acme/new', default_branch: 'main' }

test('a rename and a transfer, by the number that stays and the name that it had', () => {
  expect(
    parse('repository', { action: 'renamed', changes: { repository: { name: { from: 'old' } } }, repository }),
  ).toEqual({
    ok: true,
    value: { kind: 'repository_moved', repository: 'acme/new', repositoryId: 7, from: 'acme/old' },
  })
  for (const kind of ['user', 'organization'])
    expect(
      parse('repository', {
        action: 'transferred',
        changes: { owner: { from: { [kind]: { login: 'mallory' } } } },
        repository,
      }),
    ).toMatchObject({
      value: { repository: 'acme/new', from: 'mallory/new' },
    })
  expect(parse('repository', { action: 'renamed', repository })).toMatchObject({ value: { kind: 'repository_moved' } })
  expect(parse('repository', { action: 'edited', repository })).toMatchObject({ value: { kind: 'other' } })
})

test('what a merge queue wants checked is a push of its branch', () => {
  const head_ref = `refs/heads/gh-readonly-queue/main/pr-1-${sha}`
  const wanted = { action: 'checks_requested', merge_group: { head_sha: sha, head_ref }, repository }
  expect(parse('merge_group', wanted)).toMatchObject({
    ok: true,
    value: { kind: 'push', branch: head_ref.slice('refs/heads/'.length), sha, repository: 'acme/new', tag: false },
  })
  for (const merge_group of [
    undefined,
    { head_sha: sha, head_ref: 'main' },
    { head_ref },
    { head_sha: 'HEAD', head_ref },
  ])
    expect(parse('merge_group', { ...wanted, merge_group })).toMatchObject({ ok: false })
  expect(parse('merge_group', { action: 'destroyed', repository })).toMatchObject({ value: { kind: 'other' } })
})

test('every branch name that git takes is taken', () => {
  const push = (ref: string) => parse('push', { ref, after: sha, repository })
  for (const branch of ['feature/-dash', '@', 'a@b', 'über/straße', '{x}', '!odd', "it's", 'a,b;c', 'x'.repeat(255)])
    expect(push(`refs/heads/${branch}`), branch).toMatchObject({ ok: true, value: { branch } })
  for (const branch of [
    'a b',
    'a..b',
    '.a',
    'a/.b',
    'a.lock',
    'a/',
    'a~1',
    'a^',
    'a:b',
    'a?',
    'a*',
    'a[b',
    'a\\b',
    'a@{1}',
    'a\x7f',
    'a.',
  ])
    expect(push(`refs/heads/${branch}`), branch).toMatchObject({ ok: false, reason: { code: 'ref_invalid' } })
})

test('numbers of repositories are guessed where GitHub has them, and no others', () => {
  expect(
    guessRepositoryIds(Buffer.from(JSON.stringify(example('repository', 'renamed') ?? { repository }))),
  ).toHaveLength(1)
  expect(guessRepositoryIds(Buffer.from('{"repository": {"id": 12}, "sender": {"id": 5}}'))).toEqual([12])
})
