import { expect, test } from 'vitest'
import { implyPlan, makePlan } from './plan.ts'
import { readPipeline } from './read-pipeline.ts'

const noLines = () => undefined
const messageOf = (value: unknown, line?: number) => {
  const read = readPipeline(value, () => line)
  return read.ok ? 'ok' : `${read.reason.code}: ${read.reason.message}`
}
const context = { repository: 'acme/Shop', branch: 'main', defaultBranch: 'main' }

test('an unknown key is told with its line and the nearest known one', () => {
  expect(
    messageOf({ version: 1, images: { web: {} }, test: { unit: { image: 'web', run: ['x'], timout: '1m' } } }, 7),
  ).toBe('config_invalid: .taxiway.yaml is not valid: line 7: test.unit.timout: unknown key, did you mean timeout?.')
})
test.each([
  [{ version: 2 }, /version: must be 1/],
  ['text', /object/],
  [{ version: 1, images: { Web: {} } }, /lower-case/],
  [{ version: 1, images: { web: {} }, test: { unit: { image: 'api', run: ['x'] } } }, /api is not one of/],
  [
    { version: 1, images: { web: {} }, test: { unit: { image: 'web', run: ['x'], privileged: true } } },
    /privileged: unknown key/,
  ],
  [{ version: 1, deploy: { production: { approval: 'required' } } }, /config_unsupported.*approval/],
  [{ version: 1, deploy: { production: { after: 'staging' } } }, /staging is not an environment above/],
])('%j is refused with a sentence', (value, message) => {
  expect(messageOf(value)).toMatch(message)
})

test('the plan has every default filled in, and deploys only from the default branch', () => {
  const read = readPipeline(
    {
      version: 1,
      images: { web: {} },
      test: { unit: { image: 'web', run: ['sh test.sh'], timeout: '90s' } },
      deploy: { staging: {} },
    },
    noLines,
  )
  if (!read.ok) throw new Error(read.reason.message)
  expect(makePlan(read.value, context)).toMatchObject({
    ok: true,
    value: {
      images: [{ name: 'web', context: '.', dockerfile: 'Dockerfile' }],
      tests: [{ name: 'unit', timeoutMs: 90_000 }],
      environments: [{ name: 'staging', namespace: 'shop-staging', manifests: 'k8s' }],
    },
  })
  expect(makePlan(read.value, { ...context, branch: 'feature' })).toMatchObject({ value: { environments: [] } })
})

test('without a file, the Dockerfile is the image, its stage test the test, and k8s/ the deploy', () => {
  expect(implyPlan({ dockerfileStages: ['base', 'test'], hasManifests: true }, context)).toMatchObject({
    images: [{ name: 'shop' }],
    tests: [{ run: { buildTarget: 'test' } }],
    environments: [{ name: 'production', namespace: 'shop-production' }],
  })
  expect(implyPlan({ dockerfileStages: [], hasManifests: false }, context)).toMatchObject({
    tests: [],
    environments: [],
  })
})

test.each([
  [{ push: { branches: ['main'] } }, { branch: 'next' }, 'on.push.branches does not name next'],
  [{ push: { paths: ['src/**'] } }, { changed: ['a.md'] }, 'on.push.paths names none of the changed files'],
  [{ push: { paths: ['src/**'] } }, {}, undefined],
  [{ push: {} }, { event: 'tag', tag: 'v1' }, 'it has no on.tag'],
  [{ tag: ['v*'] }, { event: 'tag', tag: 'x' }, 'on.tag does not name x'],
  [{ push: {} }, { event: 'pull_request', base: 'main' }, 'it has no on.pull_request'],
  [{ pull_request: { branches: ['main'] } }, { event: 'pull_request', branch: 'x', base: 'main' }, undefined],
  [{ push: { branches: ['none'] } }, { event: 'manual' }, undefined],
] as const)('%j and %j: %s', (on, more, ignored) => {
  const read = readPipeline({ version: 1, on, images: { web: {} } }, noLines)
  if (!read.ok) throw new Error(read.reason.message)
  const planned = makePlan(read.value, { ...context, ...more } as Parameters<typeof makePlan>[1])
  expect(planned).toMatchObject({ ok: true, value: { images: ignored ? [] : [{ name: 'web' }] } })
  expect(planned.ok && planned.value.ignored).toBe(ignored)
})
