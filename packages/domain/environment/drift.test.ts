import { expect, test } from 'vitest'
import { nextCorrection, showDrift } from './drift.ts'

const drift = (path: string, wanted: string, live: string) => ({
  object: 'Deployment/web',
  change: 'changed' as const,
  fields: [{ path, wanted, live }],
})
const shown = (path: string, wanted: string, live: string, secrets: string[] = []) =>
  showDrift(secrets, [drift(path, wanted, live)]).objects[0]?.fields[0]

test('values of secrets and of what looks like one are not shown', () => {
  const path = (name: string) => `spec.template.spec.containers[web].env[${name}].value`
  for (const name of ['DB_PASSWORD', 'api-token', 'db.secret', 'AWS_ACCESS_KEY'])
    expect(shown(path(name), 'one', 'two')).toEqual({ path: path(name), wanted: '***', live: '***' })
  expect(shown(path('MODE'), 'with a-known-secret', 'two', ['a-known-secret'])?.wanted).toBe('with ***')
  expect(shown(path('DATABASE_URL'), 'postgres://app:hunter2@db/x', '')?.wanted).toBe('postgres://app:***@db/x')
  expect(shown(path('MODE'), 'fast', 'slow')).toMatchObject({ wanted: 'fast', live: 'slow' })
})

test('long values are cut to where they differ, and very long ones are not read', () => {
  const same = 'x'.repeat(1000)
  const field = shown('data.a', `${same}1`, `${same}2`)
  expect(field?.wanted).toMatch(/^…x{50}1$/)
  expect(field?.live).toMatch(/^…x{50}2$/)
  expect(shown('data.a', 'x'.repeat(20_000), 'y')).toMatchObject({ wanted: '(20000 characters)', live: 'y' })
})

test('objects and fields have an end, and what is left out is counted', () => {
  const fields = Array.from({ length: 30 }, (_, index) => ({ path: `data.k${index}`, wanted: '1' }))
  const many = Array.from({ length: 25 }, () => ({ ...drift('', '', ''), fields }))
  const { objects, objectsLeftOut } = showDrift([], many)
  expect([objects.length, objectsLeftOut, objects[0]?.fields.length, objects[0]?.fieldsLeftOut]).toEqual([
    20, 5, 20, 10,
  ])
})

test('corrections back off while somebody fights them, and begin anew after a rest', () => {
  let nowMs = Date.parse('2026-01-01T00:00:00Z')
  let last: Parameters<typeof nextCorrection>[0]
  const delays: number[] = []
  for (let round = 0; round < 10; round++) {
    const next = nextCorrection(last, nowMs)
    expect(next?.times).toBe(round + 1)
    delays.push((Date.parse(next?.nextAt ?? '') - nowMs) / 1000)
    expect(nextCorrection(next, nowMs + 1000)).toBeUndefined()
    last = next
    nowMs = Date.parse(next?.nextAt ?? '')
  }
  expect(delays).toEqual([15, 30, 60, 120, 240, 480, 960, 1920, 3600, 3600])
  expect(nextCorrection(last, nowMs + 16 * 60_000)?.times).toBe(1)
})

test('hostile values of fields take moments', () => {
  const value = '://a:'.repeat(3270)
  const fields = Array.from({ length: 20 }, (_, index) => ({ path: `data.k${index}`, wanted: value, live: 'x' }))
  const before = process.cpuUsage()
  showDrift([], [{ ...drift('', '', ''), fields }])
  expect(process.cpuUsage(before).user / 1000).toBeLessThan(300)
})
