import { expect, test } from 'vitest'
import type { KubeObject } from '../object.ts'
import { isLeftAlone, isReplaced, marked } from './job.ts'

const job = (runId: string, command: string, status: object = {}): KubeObject => ({
  apiVersion: 'batch/v1',
  kind: 'Job',
  metadata: { name: 'seed', annotations: { 'taxiway.dev/run': runId, 'taxiway.dev/generation': runId, note: 'x' } },
  spec: { template: { metadata: { annotations: { 'taxiway.dev/run': runId } }, spec: { command } } },
  status,
})
const ended = (type: string) => ({ conditions: [{ type, status: 'True' }] })
const next = { runId: '2' }

test('a Job that is the same as before is left alone while it runs and once it is complete', () => {
  for (const status of [{}, ended('Complete')]) {
    const live = { ...marked(job('1', 'seed')), status }
    expect(isLeftAlone(live, job('2', 'seed'), next)).toBe(true)
    expect(isReplaced(live, job('2', 'seed'), next)).toBe(false)
  }
  const { metadata, spec, ...rest } = job('2', 'seed')
  expect(isLeftAlone(marked(job('1', 'seed')), { spec, metadata, ...rest }, next)).toBe(true)
})

test('one that failed, is another, or was made by an older Taxiway gives way; the same run goes on with its own', () => {
  expect(isReplaced({ ...marked(job('1', 'seed')), status: ended('Failed') }, job('2', 'seed'), next)).toBe(true)
  expect(isReplaced(marked(job('1', 'seed')), job('2', 'seed again'), next)).toBe(true)
  expect(isReplaced(job('1', 'seed'), job('2', 'seed'), next)).toBe(true)
  expect(isReplaced(marked(job('2', 'seed')), job('2', 'seed'), next)).toBe(false)
  expect(isLeftAlone(marked(job('2', 'seed')), job('2', 'seed'), next)).toBe(false)
})

test("somebody else's Job is neither left alone nor replaced", () => {
  const { metadata, ...rest } = job('1', 'seed')
  const foreign = { ...rest, metadata: { name: metadata.name } }
  expect(isReplaced(foreign, job('2', 'seed'), next)).toBe(false)
  expect(isLeftAlone(foreign, job('2', 'seed'), next)).toBe(false)
})
