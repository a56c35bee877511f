import { lintContext } from '@taxiway/domain/pipeline/lint-context.ts'
import { makePlan } from '@taxiway/domain/plan/plan.ts'
import { reason } from '@taxiway/domain/reason.ts'
import { expect, test } from 'vitest'
import { planLines, problemOf } from './plan-text.ts'

test('a plan is a short list, with what is out of the ordinary', () => {
  const plan = makePlan(
    {
      version: 1,
      images: { base: { context: 'base' }, web: { from: { BASE: 'base' }, target: 'runtime' } },
      test: {
        unit: { image: 'web', run: ['npm ci\nnpm run build', 'npm test'], matrix: { NODE: ['22', '24'] }, retry: 1 },
        'end-to-end': {
          image: 'web',
          run: [`echo ${'x'.repeat(100)}`],
          needs: ['unit'],
          timeout: '90s',
          allow_failure: true,
          services: { db: { image: 'postgres:17' } },
        },
      },
      deploy: { production: { namespace: 'shop' } },
    },
    lintContext({}),
  )
  if (!plan.ok) throw new Error(plan.reason.message)
  expect(planLines(plan.value)).toEqual([
    '  build   base            Dockerfile in base',
    '  build   web             Dockerfile, stage runtime, from base',
    '  test    unit (NODE=22)  in web: npm ci, 1 more command, at most 10m, up to 2 tries',
    '  test    unit (NODE=24)  in web: npm ci, 1 more command, at most 10m, up to 2 tries',
    `  test    end-to-end      in web: echo ${'x'.repeat(54)}…, with db, after unit, at most 90s, may fail`,
    '  deploy  production      k8s to namespace shop',
  ])
  const ignored = 'on.push.branches does not name main'
  expect(planLines({ images: [], tests: [], environments: [], ignored })).toEqual([`  nothing is done: ${ignored}`])
})

test.each([
  [
    'line 7: test.unit.timout: unknown key, did you mean timeout?',
    7,
    'test.unit.timout: unknown key, did you mean timeout?',
  ],
  ['line 2: version: must be 1', 2, 'version: must be 1'],
  ['it is larger than 256 KB', undefined, 'it is larger than 256 KB'],
])('%s is told in the form of compilers', (detail, line, message) => {
  expect(problemOf(reason('config_invalid', { detail }), 'a/.taxiway.yaml')).toEqual({
    file: 'a/.taxiway.yaml',
    message,
    ...(line ? { line } : {}),
  })
})
test('other reasons are told as well', () => {
  const nothing = reason('nothing_to_do')
  expect(problemOf(nothing, 'x').message).toBe(nothing.message)
})
