import type { Sha } from '@taxiway/domain/ids.ts'
import { expect, test } from 'vitest'
import { whyFetchFailed } from './fetch-failure.ts'

const url = 'https://git.example.com/o/returned-error: 403 redirect.git'
const why = (stderr: string) => {
  const failure = whyFetchFailed(
    { stderr, timedOut: false },
    { sha: 'a'.repeat(40) as Sha, limits: { maxMb: 1, deadlineMs: 1000 } },
    { url },
  )
  return `${failure.reason.code}${failure.mirrorBroken ? ', mirror broken' : ''}`
}

test.each([
  ['fatal: remote error: upload-pack: not our ref aaaa', 'commit_not_found'],
  ["fatal: couldn't find remote ref refs/heads/gone", 'commit_not_found'],
  ['error: Server does not allow request for unadvertised object aaaa', 'commit_not_found'],
  [`fatal: unable to access '${url}/': The requested URL returned error: 302`, 'git_redirected'],
  [`fatal: unable to access '${url}/': The requested URL returned error: 403`, 'git_auth_failed'],
  [`fatal: unable to access '${url}/': The requested URL returned error: 503`, 'git_unavailable'],
  [`fatal: unable to access '${url}/': Could not resolve host: git.example.com`, 'git_unavailable'],
  [`fatal: could not read Username for 'https://git.example.com': terminal prompts disabled`, 'git_auth_failed'],
  [`fatal: Authentication failed for '${url}/'`, 'git_auth_failed'],
  ['fatal: write error: No space left on device', 'disk_full'],
  ['error: object 1234abcd: treeNotSorted: not properly sorted\nfatal: fsck error in packed object', 'content_invalid'],
  ['fatal: bad object refs/taxiway/aaaa', 'git_unavailable, mirror broken'],
  ["fatal: not a git repository: '/x'", 'git_unavailable, mirror broken'],
  ['', 'git_unavailable, mirror broken'],
])('%s: %s', (stderr, expected) => {
  expect(why(stderr)).toBe(expected)
})

test('hostile words of the other side take moments', () => {
  const before = process.cpuUsage()
  for (const word of ['repository ', "transport '", "'https:", 'error: object a: '])
    why(`remote: ${word.repeat(500_000)}\nfatal: x`)
  expect(process.cpuUsage(before).user / 1000).toBeLessThan(100)
})
