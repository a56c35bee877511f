import { expect, test } from 'vitest'
import { takeHooks } from './hook-jobs.ts'

const job = (name: string, spec: object = {}) => ({
  apiVersion: 'batch/v1',
  kind: 'Job',
  metadata: { name, labels: { app: 'shop' } },
  spec: { template: { metadata: { labels: { app: 'shop' } }, spec: { containers: [] } }, ...spec },
})
const conf = { apiVersion: 'v1', kind: 'ConfigMap', metadata: { name: 'conf' } }
const context = { nameOf: (when: string, name: string) => `${name}-${when}-1`, timeoutMs: 90_000 }
const always = ['passed', 'failed'] as ('passed' | 'failed')[]

test('hooks become jobs in their order, one for each of their turns; other Jobs stay', () => {
  const hooks = [
    { name: 'warm', when: ['before' as const, 'after_live' as const], keeps: always, needs: [] },
    { name: 'migrate', when: ['before' as const], keeps: [], needs: ['ConfigMap/conf'] },
  ]
  const { objects, jobs } = takeHooks([conf, job('migrate'), job('own'), job('warm')], hooks, context)
  expect(objects.map(({ metadata }) => metadata.name)).toEqual(['conf', 'own'])
  expect(jobs.map(({ name, when, object, needs }) => [name, when, object.metadata.name, needs])).toEqual([
    ['warm', 'before', 'warm-before-1', []],
    ['warm', 'after_live', 'warm-after_live-1', []],
    ['migrate', 'before', 'migrate-before-1', [conf]],
  ])
})

test('a hook is given its label and an end, and does not vanish by itself', () => {
  const hooks = [{ name: 'migrate', when: ['before' as const], keeps: always, needs: [] }]
  const [plain] = takeHooks([job('migrate', { ttlSecondsAfterFinished: 0, backoffLimit: 1 })], hooks, context).jobs
  const labels = { app: 'shop', 'taxiway.dev/job': 'migrate' }
  expect(plain).toEqual({
    name: 'migrate',
    when: 'before',
    keeps: always,
    needs: [],
    timeoutMs: 90_000,
    object: {
      apiVersion: 'batch/v1',
      kind: 'Job',
      metadata: { name: 'migrate-before-1', labels },
      spec: {
        backoffLimit: 1,
        activeDeadlineSeconds: 90,
        template: { metadata: { labels }, spec: { containers: [] } },
      },
    },
  })
  const [own] = takeHooks([job('migrate', { activeDeadlineSeconds: 600 })], hooks, context).jobs
  expect(own?.timeoutMs).toBe(600_000)
})
