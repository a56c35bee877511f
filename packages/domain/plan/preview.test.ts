import Value from 'typebox/value'
import { expect, test } from 'vitest'
import { EnvironmentName, FileEnvironmentName } from '../environment/environment.ts'
import { decidePlace } from '../environment/place.ts'
import { readPipeline } from '../pipeline/read.ts'
import type { PlanContext } from './context.ts'
import { makePlan } from './plan.ts'
import { previewName, previewNamespace, ruledAs } from './preview.ts'

const context: PlanContext = {
  repository: 'acme/shop',
  event: 'pull_request',
  branch: 'change',
  base: 'main',
  number: 99,
  pull: 12,
  defaultBranch: 'main',
}
const file = (deploy: object) => ({
  version: 1,
  on: { push: {}, pull_request: {} },
  images: { web: {} },
  deploy,
})
const refusal = (deploy: object) => {
  const read = readPipeline(file(deploy), () => undefined)
  return read.ok ? 'ok' : read.reason.message
}
function planned(deploy: object, more: Partial<PlanContext> = {}) {
  const read = readPipeline(file(deploy), () => undefined)
  if (!read.ok) throw new Error(read.reason.message)
  const plan = makePlan(read.value, { ...context, ...more })
  if (!plan.ok) throw new Error(plan.reason.message)
  return plan.value.environments
}

test('a pull request has the preview for itself, with its own name and namespace, and no other environment', () => {
  expect(planned({ staging: {}, preview: { preview: {} } })).toMatchObject([
    {
      name: 'preview.12',
      namespace: 'shop-preview-12',
      preview: { of: 'preview', number: 12, ttlMs: 7 * 24 * 3_600_000, most: 10 },
    },
  ])
  expect(planned({ preview: { preview: {} } }, { pull: 13 })).toMatchObject([{ name: 'preview.13' }])
})

test('nothing but a trusted pull request is deployed to a preview', () => {
  const deploy = { staging: {}, preview: { preview: {} } }
  expect(planned(deploy, { trusted: false })).toEqual([])
  expect(planned(deploy, { trusted: true })).toHaveLength(1)
  for (const event of ['push', 'manual'] as const)
    expect(planned(deploy, { event, branch: 'main' }).map(({ name }) => name)).toEqual(['staging'])
})

test('the number is put into url and hosts, in the place of that of the run', () => {
  const [environment] = planned({
    preview: {
      namespace: 'shop',
      preview: { ttl: '90m', most: 3, url: 'https://pr-{number}.shop.example.com' },
      components: { web: { port: 80, host: 'pr-{number}.shop.example.com', env: { LEFT: '{number}' } } },
    },
  })
  expect(environment).toMatchObject({
    namespace: 'shop-12',
    preview: { ttlMs: 90 * 60_000, most: 3, url: 'https://pr-12.shop.example.com' },
    components: [{ host: 'pr-12.shop.example.com', env: { LEFT: '{number}' } }],
  })
})

test('a namespace that is too long is cut before the number', () => {
  expect(previewNamespace('n'.repeat(63), 4567)).toBe(`${'n'.repeat(58)}-4567`)
  expect(previewNamespace(`${'n'.repeat(59)}-aaa`, 123)).toBe(`${'n'.repeat(59)}-123`)
})

test('no environment of a file has the name of a preview, so that no pull request comes near another', () => {
  const preview = previewName('eu', 1)
  expect(refusal({ [preview]: {} })).toMatch(/unknown key|lower-case/)
  expect(Value.Check(FileEnvironmentName, preview)).toBe(false)
  for (const name of [preview, 'eu', previewName('a'.repeat(40), Number.MAX_SAFE_INTEGER)])
    expect(Value.Check(EnvironmentName, name), name).toBe(true)
  for (const name of ['eu.', 'eu.01', 'eu.1.2', 'eu.x', '.1', `eu.${'1'.repeat(17)}`])
    expect(Value.Check(EnvironmentName, name), name).toBe(false)
})

test('a preview with on is refused, and one whose address is no web address', () => {
  expect(refusal({ preview: { preview: {}, on: { branch: 'main' } } })).toMatch(/pull requests, and on for pushes/)
  expect(refusal({ preview: { preview: { url: 'javascript:alert(1)' } } })).toMatch(/address like https/)
})

test("a preview is ruled as the file's environment, in a namespace of its own under the ruled one", () => {
  const [environment] = planned({ preview: { preview: {} } })
  if (!environment) throw new Error('no environment')
  expect(ruledAs(environment)).toBe('preview')
  expect(ruledAs({ name: 'staging' })).toBe('staging')
  const place = (rules: object, repository = {}) => decidePlace({ environment, rules, repository })
  expect(place({ namespace: 'reviews' })).toMatchObject({ value: { namespace: 'reviews-12', isRuled: false } })
  expect(place({}, { namespace: 'shop-preview-12' })).toMatchObject({ value: { isRuled: false } })
  const [given] = planned({ preview: { namespace: 'mine', preview: {} } })
  if (!given) throw new Error('no environment')
  expect(decidePlace({ environment: given, rules: { namespace: 'reviews' }, repository: {} })).toMatchObject({
    reason: { code: 'namespace_not_allowed' },
  })
})
