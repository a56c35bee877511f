import { done, type Outcome, refuse } from '../reason.ts'
import type { Pipeline } from './pipeline.ts'

/** The values of a manual run, checked against the pipeline's `on.manual.inputs`, with defaults filled in. */
export function checkInputs(pipeline: Pipeline, given: Record<string, string>): Outcome<Record<string, string>> {
  const manual = pipeline.on?.manual
  if (!manual) return refuse('manual_not_allowed')
  const known = manual.inputs ?? {}
  const unknown = Object.keys(given).find((name) => !Object.hasOwn(known, name))
  if (unknown !== undefined) {
    const names = Object.keys(known)
    const detail = `${unknown} is no input of this pipeline; ${names.length > 0 ? `known are ${names.join(', ')}` : 'it has none'}`
    return refuse('input_invalid', { detail })
  }
  const values: Record<string, string> = {}
  for (const [name, input] of Object.entries(known)) {
    const value = Object.hasOwn(given, name) ? given[name] : input.default
    if (value === undefined) return refuse('input_invalid', { detail: `the input ${name} is missing` })
    if (input.options && !input.options.includes(value))
      return refuse('input_invalid', { detail: `the input ${name} is one of ${input.options.join(', ')}` })
    values[name] = value
  }
  return done(values)
}
