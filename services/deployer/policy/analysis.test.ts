import type { Measure } from '@taxiway/domain/plan/strategy.ts'
import { expect, test } from 'vitest'
import { checkAnalysis } from './analysis.ts'

const job: Measure = { kind: 'job', image: 'web', run: ['true'], env: {}, timeoutMs: 1 }
const http: Measure = { kind: 'http', path: '/', success: 100 }
const codeOf = (analysis: Measure[], rules: object) => {
  const outcome = checkAnalysis({ analysis }, 'shop', rules)
  return outcome.ok ? undefined : outcome.reason.code
}

test("jobs of an analysis keep the environment's rules", () => {
  expect(codeOf([http, job], {})).toBeUndefined()
  expect(codeOf([http, job], { kinds: ['Deployment'] })).toBe('manifest_forbidden')
  expect(codeOf([http, job], { pods: 'restricted' })).toBe('manifest_forbidden')
  expect(codeOf([http], { kinds: ['Deployment'], pods: 'restricted' })).toBeUndefined()
})
