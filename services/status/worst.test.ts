import type { Run } from '@taxiway/domain/run/run.ts'
import type { SaidStatus } from '@taxiway/store/status/statuses.ts'
import { expect, test } from 'vitest'
import { subjectOf, worstOf } from './worst.ts'

const said = (weight: number, sequence: number, isTrusted = true): SaidStatus => ({
  weight,
  sequence,
  isTrusted,
  state: 'success',
  description: '',
  targetUrl: '',
})

test('the worst stands, of equals the newest, and untrusted code where nothing else was said', () => {
  expect(worstOf([])).toBeUndefined()
  expect(worstOf([said(2, 1), said(5, 2), said(3, 3)])?.sequence).toBe(2)
  expect(worstOf([said(2, 1), said(2, 7), said(2, 3)])?.sequence).toBe(7)
  expect(worstOf([said(2, 1), said(5, 2, false)])?.sequence).toBe(1)
  expect(worstOf([said(5, 1), said(2, 2, false)])?.sequence).toBe(1)
  expect(worstOf([said(2, 1, false), said(5, 2, false)])?.sequence).toBe(2)
})

test('branches, tags and pull requests are subjects of their own, and so is untrusted code', () => {
  const subject = (run: Partial<Run>) => subjectOf({ branch: '', ...run } as Run)
  const pullRequest = { number: 3, base: 'main', fork: true }
  expect([
    subject({ branch: 'main' }),
    subject({ branch: 'main', pullRequest }),
    subject({ branch: 'main', pullRequest, trusted: false }),
    subject({ tag: 'v1' }),
    subject({}),
  ]).toEqual(['heads/main', 'pull/3', 'untrusted pull/3', 'tags/v1', 'commit'])
})
