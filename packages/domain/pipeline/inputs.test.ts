import { expect, test } from 'vitest'
import { checkInputs } from './inputs.ts'

const inputs = { level: { options: ['debug', 'info'], default: 'info' }, version: { description: 'What to ship.' } }
const check = (given: Record<string, string>, on: object = { manual: { inputs } }) =>
  checkInputs({ version: 1, on }, given)

test('defaults are filled in', () => {
  expect(check({ version: '2' })).toEqual({ ok: true, value: { level: 'info', version: '2' } })
  expect(check({}, { manual: {} })).toEqual({ ok: true, value: {} })
})

test.each([
  [{ version: '1', levle: 'info' }, /levle is no input of this pipeline; known are level, version/],
  [{}, /the input version is missing/],
  [{ version: '1', level: 'loud' }, /the input level is one of debug, info/],
  [{ version: '1', constructor: 'x' }, /constructor is no input/],
])('%j is refused with a sentence', (given, message) => {
  expect(check(given as Record<string, string>)).toMatchObject({
    ok: false,
    reason: { code: 'input_invalid', message: expect.stringMatching(message) },
  })
})

test('a pipeline that is not started by hand says how it could be', () => {
  expect(check({}, {})).toMatchObject({ ok: false, reason: { code: 'manual_not_allowed' } })
})
