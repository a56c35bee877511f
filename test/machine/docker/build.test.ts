import { randomBytes } from 'node:crypto'
import { setTimeout as sleep } from 'node:timers/promises'
import { expect, test, vi } from 'vitest'
import { dockerScene } from './docker-scene.ts'

vi.setConfig({ testTimeout: 60_000 })
const { run, build } = dockerScene()

test('a build gives an image and its lines, and the same content comes from the cache', async () => {
  const dockerfile = `FROM busybox:stable\nRUN echo ${run}; printf half; sleep 0.2; echo ' ✓'\nCOPY . /app\nRUN ls /app\n`
  const first = await build(dockerfile)
  expect(first.built).toMatchObject({ ok: true, value: { imageId: expect.stringMatching(/^sha256:[0-9a-f]{64}$/) } })
  expect(first.lines.some((line) => /^#\d+ half ✓$/.test(line))).toBe(true)
  const listed = first.lines.map((line) => line.replace(/^#\d+ /, ''))
  expect(listed).toContain('link')
  expect(listed).not.toContain('ignored.txt')
  const second = await build(dockerfile)
  expect(second.built).toMatchObject({ value: { imageId: first.built.ok ? first.built.value.imageId : '' } })
  expect(second.lines.filter((line) => line.endsWith(' CACHED')).length).toBeGreaterThanOrEqual(3)
})

test('a stage that fails is told with step, exit code and last line', async () => {
  const { built } = await build(`FROM busybox:stable AS test\nRUN echo ${run}; echo 2 tests failed; exit 3\n`, {
    target: 'test',
  })
  expect(built).toMatchObject({ reason: { code: 'build_failed' } })
  expect(built.ok ? '' : built.reason.message).toMatch(/^Image web: RUN .*: exit code 3: 2 tests failed\.$/)
})

test.each([
  ['FROM busybox:stable\nFOO bar\n', 'build_failed', 'unknown instruction'],
  ['FROM busybox:stable\nCOPY nowhere /x\n', 'build_failed', '/nowhere'],
  ['FROM 127.0.0.1:1/nope:latest\n', 'registry_unavailable', 'connection refused'],
])('what is wrong with %j is named', async (dockerfile, code, words) => {
  const { built } = await build(dockerfile)
  expect(built).toMatchObject({ ok: false, reason: { code, message: expect.stringContaining(words) } })
})

test('a build argument that chooses another builder is refused', async () => {
  const { built } = await build('FROM busybox:stable\n', { args: { BUILDKIT_SYNTAX: 'evil/frontend' } })
  expect(built).toMatchObject({ ok: false, reason: { code: 'option_not_allowed' } })
})

test('an abort stops the build, and a deadline ends it with timeout', async () => {
  const stop = new AbortController()
  const marker = randomBytes(6).toString('hex')
  const building = build(`FROM busybox:stable\nRUN sleep 60; echo ${marker}\n`, { signal: stop.signal })
  await sleep(1_500)
  stop.abort(new Error('cancelled'))
  await expect(building).rejects.toThrow('cancelled')
  const late = await build(`FROM busybox:stable\nRUN sleep 60; echo ${marker}2\n`, { deadlineMs: 1_000 })
  expect(late.built).toMatchObject({ ok: false, reason: { code: 'timeout' } })
})
