import { expect, test } from 'vitest'
import { ignoredPullRequest, ignoredReason, type Push, type TriggerRules } from './trigger.ts'

const push = (more: Partial<Push>, rules: TriggerRules = {}) =>
  ignoredReason({ tag: false, deleted: false, message: '', defaultBranch: 'main', ...more }, rules)
const tag = (tagName: string, rules?: TriggerRules) => push({ tag: true, tagName }, rules)

test('without rules the default branch starts runs, and no tag does', () => {
  expect(push({ branch: 'main' })).toBeUndefined()
  expect(push({ branch: 'feature' })?.code).toBe('ignored_branch')
  expect(tag('v1')).toMatchObject({ code: 'ignored_tag', message: expect.stringContaining('Tag v1 is not among') })
})

test('tags start runs by their own globs, not by those of branches', () => {
  const rules = { branches: ['**'], tags: ['v*'] }
  expect(tag('v1.2.3', rules)).toBeUndefined()
  expect(tag('nightly', rules)?.code).toBe('ignored_tag')
  expect(push({ tag: true, tagName: 'v1', deleted: true }, rules)).toEqual({
    code: 'ignored_tag_deleted',
    message: 'The tag was deleted.',
  })
  expect(push({ branch: 'main', deleted: true }, rules)?.code).toBe('ignored_branch_deleted')
  expect(push({ tag: true, tagName: 'v1', message: 'No [skip ci]' }, rules)?.code).toBe('ignored_skip_ci')
})

test('a ref that is neither branch nor tag starts nothing, whatever the globs say', () => {
  expect(push({}, { branches: ['**'], tags: ['**'] })?.code).toBe('ignored_tag')
})

test.each([
  [undefined, false, 'ignored_pull_request'],
  ['none', false, 'ignored_pull_request'],
  ['members', false, undefined],
  ['members', true, 'fork_needs_approval'],
  ['all', true, undefined],
] as const)('with pullRequests %s, one of a fork (%s: fork) is %s', (pullRequests, fork, code) => {
  const rules: TriggerRules = pullRequests ? { pullRequests } : {}
  expect(ignoredPullRequest({ number: 3, fork: pullRequests === 'none' || fork }, rules)?.code).toBe(code)
})

test.each([
  ['[skip ci]', true],
  ['[CI skip] at the start', true],
  ['Change [no ci]', true],
  ['Change [skip actions]', true],
  ['Change [actions skip]', true],
  ['Change\n\n\nskip-checks: true', true],
  ['Change\n\n\nskip-checks:true\n', true],
  ['no ci', false],
  ['skip-checks: false', false],
  ['about skip-checks: true', false],
])('%j asks to skip CI: %s', (message, isSkipped) => {
  expect(push({ branch: 'main', message })?.code).toBe(isSkipped ? 'ignored_skip_ci' : undefined)
})

const queue = `gh-readonly-queue/release/2/pr-17-${'a'.repeat(40)}`
test('a branch of a merge queue starts runs as the one that it is for, and is never skipped', () => {
  expect(push({ branch: queue })?.code).toBe('ignored_branch')
  expect(push({ branch: queue }, { branches: ['release/**'] })).toBeUndefined()
  expect(push({ branch: queue, message: 'Merge [skip ci]' }, { branches: ['release/**'] })).toBeUndefined()
  expect(push({ branch: 'gh-readonly-queue/x' }, { branches: ['x'] })?.code).toBe('ignored_branch')
})
