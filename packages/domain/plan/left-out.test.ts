import { expect, test } from 'vitest'
import type { Pipeline } from '../pipeline/pipeline.ts'
import { readPipeline } from '../pipeline/read.ts'
import type { PlanContext } from './context.ts'
import { makePlan } from './plan.ts'

function planOf(pipeline: Omit<Pipeline, 'version'>, context: Partial<PlanContext>) {
  const read = readPipeline({ version: 1, ...pipeline }, () => undefined)
  if (!read.ok) throw new Error(read.reason.message)
  return makePlan(read.value, { repository: 'acme/shop', branch: 'main', defaultBranch: 'main', ...context })
}
const onTag = { event: 'tag', tag: 'v1', branch: '' } as const
const byName = { event: 'manual', branch: '' } as const
const names = (list: { name: string }[] | undefined) => list?.map(({ name }) => name)

test.each([
  [['!main'], { branch: 'main' }, false],
  [['!main'], { branch: 'dev' }, true],
  [['!main'], byName, true],
  [['**', '!dev'], { branch: 'dev' }, false],
  [['**', '!dev'], { branch: 'main' }, true],
  [['**'], byName, false],
])('a test for the branches %j: %j, %s', (branch, context, isIn) => {
  const planned = planOf({ images: { web: {} }, test: { unit: { run: ['x'], when: { branch } } } }, context)
  expect(names(planned.ok ? planned.value.tests : [])).toEqual(isIn ? ['unit'] : [])
})

test.each([
  ['!dev', { branch: 'main' }, true],
  ['!dev', { branch: 'dev' }, false],
  [['release/*', '!release/2'], { branch: 'release/1' }, true],
  [['release/*', '!release/2'], { branch: 'release/2' }, false],
  ['!dev', byName, false],
  ['**', byName, false],
])('an environment of the branches %j: %j, %s', (branch, context, isIn) => {
  const planned = planOf({ images: { web: {} }, deploy: { live: { on: { branch } } } }, context)
  expect(names(planned.ok ? planned.value.environments : [])).toEqual(isIn ? ['live'] : [])
})

test.each<[Pipeline['on'], Partial<PlanContext>, string | undefined]>([
  [{ push: { branches: ['!dev'] } }, { branch: 'dev' }, 'on.push.branches does not name dev'],
  [{ push: { branches: ['!dev'] } }, { branch: 'main' }, undefined],
  [{ tag: ['v*', '!v1'] }, onTag, 'on.tag does not name v1'],
  [
    { pull_request: { branches: ['!next'] } },
    { event: 'pull_request', base: 'next' },
    'on.pull_request.branches does not name next',
  ],
])('%j and %j: %s', (on, context, ignored) => {
  const planned = planOf({ images: { web: {} }, on: on ?? {} }, context)
  expect(planned.ok && planned.value.ignored).toBe(ignored)
})

test('a default branch is compared as it is called, whatever glob that would be', () => {
  const defaultBranch = '!a{b,c}'
  const deployed = planOf({ images: { web: {} }, deploy: { live: {} } }, { branch: defaultBranch, defaultBranch })
  expect(names(deployed.ok ? deployed.value.environments : [])).toEqual(['live'])
  expect(planOf({ images: { web: {} }, deploy: { live: {} } }, { branch: 'main', defaultBranch })).toMatchObject({
    value: { environments: [] },
  })
})

test('a file that names nothing is told so, and one that has nothing for this event is left out', () => {
  const empty = planOf({}, {})
  expect(!empty.ok && empty.reason).toMatchObject({
    code: 'nothing_to_do',
    message: '.taxiway.yaml names neither images nor tests, so there is nothing to do.',
  })
  const tagOnly = { test: { unit: { image: 'node:24', run: ['x'], when: { event: ['tag' as const] } } } }
  expect(planOf(tagOnly, {})).toMatchObject({ ok: true, value: { tests: [], ignored: 'nothing in it is for this' } })
})

test('code that nobody approved has no secret in its plan, neither of a test nor of its services', () => {
  const services = { db: { image: 'web', secrets: ['SEED'] } }
  const pipeline = { images: { web: {} }, test: { unit: { run: ['x'], secrets: ['KEY'], services } } }
  const trusted = planOf(pipeline, {})
  expect(trusted).toMatchObject({ value: { tests: [{ secrets: ['KEY'], services: [{ secrets: ['SEED'] }] }] } })
  expect(JSON.stringify(planOf(pipeline, { trusted: false }))).not.toMatch(/KEY|SEED|secrets/)
})

test('a plan that a rule leaves out knows where the event would have been deployed', () => {
  const pipeline = {
    images: { web: {} },
    on: { push: { paths: ['src/**'] }, pull_request: { paths: ['src/**'] } },
    deploy: { staging: {}, live: { on: { branch: 'release' } }, shown: { preview: {} } },
  }
  const of = (context: Partial<PlanContext>) => {
    const planned = planOf(pipeline, { changed: ['a.md'], ...context })
    return planned.ok ? planned.value : undefined
  }
  expect(of({})).toMatchObject({ environments: [], deploysLeftOut: ['staging'] })
  expect(of({ branch: 'release' })?.deploysLeftOut).toEqual(['live'])
  expect(of({ branch: 'next' })).not.toHaveProperty('deploysLeftOut')
  expect(of({ event: 'pull_request', pull: 7 })?.deploysLeftOut).toEqual(['shown.7'])
  expect(of({ event: 'pull_request', pull: 7, trusted: false })).not.toHaveProperty('deploysLeftOut')
  expect(of({ changed: ['src/a'] })).not.toHaveProperty('deploysLeftOut')
})
