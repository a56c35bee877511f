import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { isRetryable } from '@taxiway/domain/fault.ts'
import { afterAll, expect, test } from 'vitest'
import { runProgram, whyEnded } from './program.ts'

const folder = mkdtempSync(join(tmpdir(), 'taxiway-program-'))
afterAll(() => rmSync(folder, { recursive: true, force: true }))
const call = { folder, cwd: folder, signal: new AbortController().signal }
const told = { object: 'k8s', what: 'build k8s with kustomize' }

test('a program that takes too much processor time is at fault itself', async () => {
  const { ended } = await runProgram('/bin/sh', ['-c', 'while :; do :; done'], { ...call, cpuSeconds: 1 })
  expect(whyEnded(ended ?? 'large', told)).toMatchObject({
    reason: { code: 'manifest_invalid', message: expect.stringMatching(/more than a minute of processor time/) },
  })
})

test('a program that the machine has no time for is not', async () => {
  const patienceMs = 300
  const { ended } = await runProgram('/bin/sleep', ['60'], { ...call, patienceMs })
  expect(whyEnded(ended ?? 'large', { ...told, patienceMs })).toEqual({
    ok: false,
    reason: {
      code: 'machine_busy',
      message:
        'The machine was too busy to build k8s with kustomize within 0.3 s. Try again, or give it less to do at a time.',
    },
  })
  expect(isRetryable('machine_busy')).toBe(true)
})
