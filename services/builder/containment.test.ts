import { expect, test } from 'vitest'
import { type Evidence, judge, untrustedBuild } from './containment.ts'

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

test('untrusted code is built only where its steps are held', () => {
  const egress = { allow: [], subnet: '', bridge: '' }
  const refused = (mode: 'internet' | 'none' | 'open', isDedicated: boolean, isContained = true) =>
    untrustedBuild({ egress: { ...egress, mode, isDedicated }, isContained })?.code
  expect(refused('internet', false)).toBe('not_contained')
  expect([refused('internet', true), refused('none', false), refused('open', false)]).toEqual([
    undefined,
    undefined,
    undefined,
  ])
  expect(refused('internet', false, false)).toBeUndefined()
})
