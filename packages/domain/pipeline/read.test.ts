import fc from 'fast-check'
import Value from 'typebox/value'
import { expect, test } from 'vitest'
import { implyPlan, makePlan } from '../plan/plan.ts'
import { Pipeline } from './pipeline.ts'
import { keysOf, plainSchema } from './published.ts'
import { readPipeline } from './read.ts'
import { findProblems } from './schema-problem.ts'

const noLines = () => undefined
const messageOf = (value: unknown, line?: number) => {
  const read = readPipeline(value, () => (line === undefined ? undefined : { line, column: 1 }))
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
  ['text', /must be a map of version, on/],
  [{ version: 1, images: { Web: {} } }, /lower-case/],
  [{ version: 1, images: { web: {} }, test: { unit: { image: 'api', run: ['x'] } } }, /api is not one of/],
  [
    { version: 1, images: { web: {} }, test: { unit: { image: 'web', run: ['x'], privileged: true } } },
    /privileged: unknown key/,
  ],
  [{ version: 1, deploy: { production: { timezone: 'Mars/Base' } } }, /Mars\/Base is no time zone like Europe\/Berlin/],
  [
    { version: 1, deploy: { production: { windows: ['9:00-17:00'] } } },
    /windows\.0: must be a window like 09:00-17:00/,
  ],
  [{ version: 1, deploy: { production: { after: 'staging' } } }, /staging is not an environment above/],
])('%j is refused with a sentence', (value, message) => {
  expect(messageOf(value)).toMatch(message)
})

const unit = (more: object) => ({
  version: 1,
  images: { web: {}, worker: {} },
  test: { unit: { run: ['x'], ...more } },
})
test.each([
  [unit({ retry: 9 }), 'test.unit.retry: must be a whole number from 0 to 5'],
  [unit({ retry: 'often' }), 'test.unit.retry: must be a whole number from 0 to 5'],
  [unit({ timeout: '5 min' }), 'test.unit.timeout: must be a duration like 90s, 10m or 1h'],
  [unit({ timeout: '700h' }), 'test.unit.timeout: may be at most 500h'],
  [unit({ timeout: '99999m' }), 'test.unit.timeout: may be at most 500h'],
  [unit({ timeout: null }), 'test.unit.timeout: is empty, and must be a duration like 90s, 10m or 1h'],
  [unit({ allow_failure: 'yes' }), 'test.unit.allow_failure: must be true or false'],
  [unit({ run: 'make' }), 'test.unit.run: must be a list, like [a, b]'],
  [unit({ run: [] }), 'test.unit.run: must have at least one entry'],
  [unit({ run: [''] }), 'test.unit.run.0: must not be empty'],
  [unit({ env: { PORT: 5 } }), 'test.unit.env.PORT: must be text: write "5" in quotes'],
  [unit({ env: { 'A-B': 'x' } }), /env.A-B: a variable has letters/],
  [unit({ workdir: 'src' }), 'test.unit.workdir: must be an absolute path in the container'],
  [unit({ matrix: { node: [22] } }), 'test.unit.matrix.node.0: must be text: write "22" in quotes'],
  [unit({ when: { event: ['psuh'] } }), /event.0: must be one of push, tag, pull_request, manual; did you mean push\?/],
  [unit({ services: { db: { image: 'x', ready: { prot: 1 } } } }), /ready.prot: unknown key, did you mean port\?/],
  [unit({ services: { db: { image: 'x', ready: { port: 'x' } } } }), /port: must be a whole number from 1 to 65535/],
  [
    unit({ services: { db: { image: 'x', ready: { port: 1, command: 'x' } } } }),
    /ready: must be a port that answers or a/,
  ],
  [unit({ services: { db: {} } }), 'test.unit.services.db: needs image'],
  [unit({ image: 'wep' }), "test.unit.image: wep is not one of this pipeline's images; did you mean web?"],
  [{ version: 1, concurrency: 'newset' }, /must be one of newest, all; did you mean newest\?/],
  [{ version: 1, deploy: { a: { on: { branch: 5 } } } }, /must be a glob of branches, or a list of them/],
  [{ version: 1, deploy: { a: { on: { branch: [5] } } } }, /on.branch.0: must be text: write "5" in quotes/],
  [
    { version: 1, deploy: { staging: {}, b: { after: 'stagin' } } },
    /not an environment above this one; did you mean staging\?/,
  ],
  [
    unit({ image: 'web', matrix: { A: Array(11).fill('a'), B: Array(11).fill('b') } }),
    /test.unit.matrix: makes 121 tests, and may make 100/,
  ],
  [{ version: 1, images: [] }, 'images: must be a map of names and values'],
  [
    { version: 1, images: { base: {}, web: { from: { BASE: 'bace' } } } },
    /not an image above this one; did you mean base\?/,
  ],
  [{ version: 1, images: { web: { platforms: ['arm64'] } } }, /must be a platform like linux\/amd64 or linux\/arm64/],
])('%j is told in plain words', (value, message) => {
  const told = messageOf(value)
  if (typeof message === 'string') expect(told).toBe(`config_invalid: .taxiway.yaml is not valid: ${message}.`)
  else expect(told).toMatch(message)
})

test('what the words are found for is exactly what does not fit the schema', () => {
  const scalar = fc.constantFrom<unknown>(null, 5, 0.5, true, '', 'a', '5m', '/a', 'newest', 'A B', 'linux/arm64')
  const keys = [...new Set(keysOf(plainSchema()).map(({ path }) => path.split('.').at(-1) ?? ''))]
  const values = fc.letrec((tie) => ({
    value: fc.oneof({ maxDepth: 7 }, scalar, fc.array(tie('value'), { maxLength: 2 }), tie('map')),
    map: fc.dictionary(fc.constantFrom(...keys, 'web', 'FOO_1', 'a.b'), tie('value'), { maxKeys: 3 }),
  }))
  fc.assert(
    fc.property(fc.constantFrom('on', 'images', 'test', 'deploy', 'concurrency'), values.value, (room, value) => {
      const pipeline = { version: 1, [room]: value }
      expect(findProblems(plainSchema(), pipeline).length === 0).toBe(Value.Check(Pipeline, pipeline))
    }),
    { numRuns: 2000 },
  )
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

test.each([
  ['500h', true],
  ['29999m', true],
  ['99999s', true],
  ['501h', false],
  ['30000m', false],
])('a timeout of %s is held: %s', (timeout, isHeld) => {
  const told = messageOf({ version: 1, images: { web: {} }, test: { unit: { run: ['x'], timeout } } })
  expect(told === 'ok').toBe(isHeld)
})

test.each(['/proc', '/', '/./sys/x', '/dev', '/var/../proc'])('no cache takes the place of %s', (path) => {
  const pipeline = { version: 1, images: { web: {} }, test: { unit: { run: ['x'], cache: [{ path, key: ['a'] }] } } }
  expect(messageOf(pipeline)).toContain(`test.unit.cache.0.path: ${path} can't be kept`)
})
