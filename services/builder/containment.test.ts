import { expect, test } from 'vitest'
import { type Evidence, isolatesUntrusted, judge } from './containment.ts'

const dedicated = { mode: 'internet', isDedicated: true } as const
const nothing: Evidence = { limitsSteps: false }
const own: Evidence = { limitsSteps: true, rules: true }

test('what this process does itself is believed until a probe says otherwise', () => {
  expect(judge(dedicated, own)).toEqual({ lacks: [], unknown: [] })
  const found = { ...own, testNetwork: false, stepNetwork: false, stepLimits: false }
  expect(judge(dedicated, found).lacks).toHaveLength(3)
})

test('without rights nothing is known until probes have found that others hold it', () => {
  expect(judge(dedicated, nothing).unknown).toHaveLength(3)
  const held = { limitsSteps: false, rules: false, testNetwork: true, stepNetwork: true, stepLimits: true }
  expect(judge(dedicated, held)).toEqual({ lacks: [], unknown: [] })
})

test('what the configuration leaves open is not asked for, limits always are', () => {
  const limits = 'build steps have no limits'
  expect(judge({ mode: 'open', isDedicated: true }, nothing).unknown).toEqual([limits])
  expect(judge({ mode: 'none', isDedicated: true }, nothing).unknown).toHaveLength(2)
  expect(judge({ mode: 'internet', isDedicated: false }, nothing).unknown).toHaveLength(2)
})

test('untrusted code has a network in its build steps only where that is held', () => {
  const egress = { allow: [], subnet: '', bridge: '' }
  const isolates = (mode: 'internet' | 'none' | 'open', isDedicated: boolean, isContained = true) =>
    isolatesUntrusted({ egress: { ...egress, mode, isDedicated }, isContained })
  expect(isolates('internet', false)).toBe(true)
  expect([isolates('internet', true), isolates('none', false), isolates('open', false)]).toEqual([false, false, false])
  expect(isolates('internet', false, false)).toBe(false)
})
