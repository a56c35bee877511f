import { lintContext } from '@taxiway/domain/pipeline/lint-context.ts'
import { makePlan } from '@taxiway/domain/plan/plan.ts'
import { reason } from '@taxiway/domain/reason.ts'
import { readPipelineFile } from '@taxiway/yaml/pipeline-file.ts'
import { expect, test } from 'vitest'
import { planLines, refusalLines } from './plan-text.ts'

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

test('all that is wrong is told in the form of compilers, each with its line', async () => {
  const text = 'version: 1\nimages: { web: {} }\ntest:\n  unit: { run: [x], timout: 1m }\n  lint: { run: [3.10] }\n'
  const read = await readPipelineFile(text)
  if (read.ok) throw new Error('it is valid')
  expect(refusalLines(read, 'a/.taxiway.yaml', text)).toEqual([
    'a/.taxiway.yaml:4:21: test.unit.timout: unknown key, did you mean timeout?',
    '      unit: { run: [x], timout: 1m }',
    '                        ^',
    'a/.taxiway.yaml:5:17: test.lint.run.0: must be text: write "3.10" in quotes',
    '      lint: { run: [3.10] }',
    '                    ^',
  ])
  const large = await readPipelineFile('x'.repeat(300_000))
  expect(!large.ok && refusalLines(large, 'a', '')).toEqual(['a: it is larger than 256 KB'])
})
test('other reasons are told as well', () => {
  const nothing = reason('nothing_to_do')
  expect(refusalLines({ reason: nothing }, 'x', '')).toEqual([`x: ${nothing.message}`])
})
test('components are named in the place of manifests', () => {
  const environment = {
    name: 'live',
    namespace: 'shop',
    manifests: 'k8s',
    timeoutMs: 1,
    components: [{ name: 'web' }, { name: 'db' }],
  }
  const plan = { images: [], tests: [], environments: [environment] } as unknown as Parameters<typeof planLines>[0]
  expect(planLines(plan)).toEqual(['  deploy  live  web, db to namespace shop'])
})
