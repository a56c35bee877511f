import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest'
import { findCommit } from './github-commit.ts'

const sha = 'a'.repeat(40)
const commit = { sha, commit: { message: 'Change', author: { name: 'Somebody' } } }
let answers: Record<string, [number, string, Record<string, string>?]>
let asked: { url: string; authorization: string | undefined }[]
const server = createServer((request, response) => {
  const { url = '' } = request
  asked.push({ url, authorization: request.headers.authorization })
  const [status, body, headers = {}] = answers[url.split('?')[0] ?? ''] ?? [404, '{}']
  response.writeHead(status, headers).end(body)
})
let apiUrl: string
beforeAll(async () => {
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  apiUrl = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
})
beforeEach(() => {
  asked = []
  answers = {
    '/repos/acme/shop': [200, JSON.stringify({ default_branch: 'trunk' })],
    '/repos/acme/shop/commits/heads/trunk': [200, JSON.stringify(commit)],
    '/repos/acme/shop/commits/heads/feature/a%23b': [200, JSON.stringify(commit)],
    [`/repos/acme/shop/commits/${sha}`]: [200, JSON.stringify(commit)],
  }
})
afterAll(() => server.close())
const find = (wanted: { branch?: string; sha?: string }, token: string | undefined = 'a-token') =>
  findCommit({ apiUrl, token }, 'acme/shop', wanted, { signal: AbortSignal.timeout(5000) })
const codeOf = async (wanted: { branch?: string; sha?: string }) => {
  const found = await find(wanted)
  return found.ok ? 'ok' : found.reason.code
}

test('the default branch, a branch or a commit, with the token', async () => {
  const found = { sha, defaultBranch: 'trunk', message: 'Change', author: 'Somebody' }
  expect(await find({})).toEqual({ ok: true, value: { ...found, branch: 'trunk' } })
  expect(await find({ branch: 'feature/a#b' })).toEqual({ ok: true, value: { ...found, branch: 'feature/a#b' } })
  expect(await find({ sha })).toEqual({ ok: true, value: found })
  expect(asked.every(({ authorization }) => authorization === 'Bearer a-token')).toBe(true)
})

test.each([
  ['a branch that is none', { branch: '../hooks' }, {}, 'ref_invalid'],
  ['a branch that is not there', { branch: 'nowhere' }, {}, 'ref_not_found'],
  ['a pull request in the place of a branch', { branch: 'pull/1/head' }, {}, 'ref_not_found'],
  [
    'a commit that is answered with another',
    { sha: 'b'.repeat(40) },
    { [`/${'b'.repeat(40)}`]: [200, commit] },
    'git_unavailable',
  ],
  ['a name that is no commit', {}, { '/heads/trunk': [200, { sha: 'HEAD' }] }, 'git_unavailable'],
  ['an answer that is nothing', {}, { '/heads/trunk': [200, null] }, 'git_unavailable'],
  ['a refused token', {}, { '/heads/trunk': [401, {}] }, 'git_auth_failed'],
  ['a host that is broken', {}, { '/heads/trunk': [500, {}] }, 'git_unavailable'],
] as [string, object, Record<string, [number, unknown]>, string][])('%s', async (_what, wanted, more, code) => {
  for (const [path, [status, body]] of Object.entries(more))
    answers[`/repos/acme/shop/commits${path}`] = [status, JSON.stringify(body)]
  expect(await codeOf(wanted)).toBe(code)
})

test('a redirect is not followed, so the token goes nowhere else', async () => {
  answers['/repos/acme/shop'] = [302, '', { location: `${apiUrl}/elsewhere` }]
  expect(await codeOf({})).toBe('git_unavailable')
  expect(asked.map(({ url }) => url)).toEqual(['/repos/acme/shop'])
})

test('what is no JSON, and a token that no header can carry', async () => {
  answers['/repos/acme/shop'] = [200, '<html>']
  expect(await codeOf({})).toBe('git_unavailable')
  expect(await find({}, 'a\ntoken')).toMatchObject({ ok: false, reason: { code: 'git_auth_failed' } })
})
