import { expect, test } from 'vitest'
import { explainBuildFailure } from './build-failure.ts'

const step = (name: string, lastLine = '') => ({ number: 5, name, error: 'x', lastLine })
const order = { image: 'web' }

test('a step that fails is named with its exit code and last line', () => {
  const message = 'executor failed running [/bin/sh -c npm test]: exit code: 3'
  const reason = explainBuildFailure(message, step('[test 2/2] RUN npm test', '1 test failed.'), order)
  expect(reason).toEqual({ code: 'build_failed', message: 'Image web: RUN npm test: exit code 3: 1 test failed.' })
})

test('the exit code is not taken from the command', () => {
  const message = 'process "/bin/sh -c echo exit code: 9; false" did not complete successfully: exit code: 1'
  expect(explainBuildFailure(message, step('[1/1] RUN x'), order).message).toContain('exit code 1')
})

test('words in the command are not taken for a cause', () => {
  const message = 'executor failed running [/bin/sh -c echo aborted: no space left on device]: exit code: 2'
  expect(explainBuildFailure(message, step('[1/1] RUN x'), order).code).toBe('build_failed')
})

test('a Dockerfile that is not one is told with its line', () => {
  const message =
    'failed to solve with frontend dockerfile.v0: failed to create LLB definition: dockerfile parse error line 2: unknown instruction: FOO'
  expect(explainBuildFailure(message, undefined, order).message).toBe(
    'Image web: Dockerfile: dockerfile parse error line 2: unknown instruction: FOO (the engine\'s own Dockerfile frontend is used, whatever a "# syntax=" line asks for).',
  )
})

test('a base image that is not there is named as the Dockerfile has it', () => {
  const failed = step('[internal] load metadata for docker.io/library/nope:latest')
  expect(explainBuildFailure('pull access denied', failed, order)).toMatchObject({
    code: 'image_not_found',
    message: 'Image nope:latest could not be found at docker.io.',
  })
})

test("an image that files are copied from is as much the registry's affair as a base image", () => {
  const failed = step('FROM docker.io/library/nope:latest')
  const head = 'failed to load cache key: failed to do request: Head "https://registry-1.docker.io/v2/x"'
  expect(explainBuildFailure(`${head}: dial tcp: i/o timeout`, failed, order).code).toBe('registry_unavailable')
  expect(explainBuildFailure('docker.io/library/nope:latest: not found', failed, order).code).toBe('image_not_found')
})

test('memory, disk and an engine that goes away are not the code of the build', () => {
  const killed = 'executor failed running [x]: exit code: 137'
  const limited = { image: 'web', memoryMb: 64 }
  expect(explainBuildFailure(killed, step('RUN x'), limited, { isOutOfMemory: true }).code).toBe('out_of_memory')
  const met = { what: 'disk', limit: '64 MB' }
  expect(explainBuildFailure(killed, step('RUN x'), order, { met })).toMatchObject({
    code: 'resource_limit',
    message: 'RUN x was ended at its limit of 64 MB (disk).',
  })
  // Another build's step was ended: this one failed by itself.
  expect(explainBuildFailure('executor failed running [x]: exit code: 1', step('RUN x'), order, { met }).code).toBe(
    'build_failed',
  )
  const full = step('RUN x', 'cp: write error: No space left on device')
  expect(explainBuildFailure('executor failed: exit code: 1', full, order, { isDiskFull: true }).code).toBe('disk_full')
  expect(explainBuildFailure('rpc error: code = Unavailable desc = transport is closing', undefined, order).code).toBe(
    'docker_daemon_restarted',
  )
})

test('a number and words of a step prove nothing', () => {
  const limited = { image: 'web', memoryMb: 64 }
  const killed = 'executor failed running [x]: exit code: 137'
  expect(explainBuildFailure(killed, step('RUN x', 'gave up'), limited)).toEqual({
    code: 'build_failed',
    message: 'Image web: RUN x: exit code 137 (killed): gave up.',
  })
  const full = step('RUN x', 'a test prints: No space left on device')
  expect(explainBuildFailure('executor failed: exit code: 1', full, limited).code).toBe('build_failed')
  const compiler = 'executor failed running [make]: exit code: 2'
  expect(explainBuildFailure(compiler, step('RUN make'), limited, { isOutOfMemory: true }).message).toBe(
    'Image web: RUN make: exit code 2 (a process was killed for want of memory).',
  )
  for (const name of ['aborted', 'no space left on device', 'socket hang up'])
    expect(explainBuildFailure(`failed to calculate checksum: "/${name}": not found`, undefined, limited).code).toBe(
      'build_failed',
    )
})

test('a registry that refuses who we are is named with the image', () => {
  const failed = step('[internal] load metadata for registry.example.com:5000/team/base:1')
  const words = 'failed to authorize: failed to fetch anonymous token: unexpected status: 401 Unauthorized'
  expect(explainBuildFailure(words, failed, order)).toEqual({
    code: 'registry_auth_failed',
    message:
      'Registry registry.example.com:5000 refused the credentials for image registry.example.com:5000/team/base:1.',
  })
})

test('a build that looks for .git is told how to ask for it', () => {
  const wayOut = '.git is there only with "checkout: { history: full, tags: true }"'
  const copy = 'failed to compute cache key: "/.git" not found: not found'
  expect(explainBuildFailure(copy, step('[2/2] COPY .git /src/.git'), order).message).toContain(wayOut)
  const run = 'executor failed running [/bin/sh -c git describe]: exit code: 128'
  const said = step('[2/2] RUN git describe', 'fatal: not a git repository (or any of the parent directories): .git')
  expect(explainBuildFailure(run, said, order).message).toContain(wayOut)
})
