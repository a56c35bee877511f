/**
 * The closed list of reason codes: every refusal and failure a person can see has one of these. What is said of a code is one
 * record in `reasons/`, whose sentence says what happened and what to do. `docs/reference/reasons.md` is held against this list by a test.
 */

import { turning } from './inert.ts'
import { intakeReasons } from './reasons/intake.ts'
import type { ReasonRecord } from './reasons/kinds.ts'
import { rollOutReasons } from './reasons/roll-out.ts'
import { runReasons } from './reasons/run.ts'

const records = { ...intakeReasons, ...runReasons, ...rollOutReasons }

/** One of the closed list of codes. */
export type ReasonCode = keyof typeof records
/** Why something was refused or failed: a stable code and one sentence a person can act on. */
export interface Reason {
  code: ReasonCode
  message: string
  /** What else stands against it, found by the same look. */
  more?: Pick<Reason, 'code' | 'message'>[]
  /** How long the other side asks not to be asked again (Retry-After). Not kept with the run. */
  retryAfterMs?: number
}
/** Done with a value, or refused with a reason. What nobody expects is thrown instead. */
export type Outcome<T> = { ok: true; value: T } | { ok: false; reason: Reason }

type Parameters_<Code extends ReasonCode> = Parameters<(typeof records)[Code]['sentence']>

/** All codes, for schemas and the reference page. */
export const reasonCodes = Object.keys(records) as ReasonCode[]

/** What is said of a code, but for its sentence: whose fault, which status, whether it is met by chance. */
export const factsOf = (code: ReasonCode): Omit<ReasonRecord, 'sentence'> => records[code]

/** Makes the reason of a code from what its sentence needs. Control characters become spaces; 2,000 characters at most. */
export function reason<Code extends ReasonCode>(code: Code, ...parameters: Parameters_<Code>): Reason {
  const sentence = records[code].sentence as (p?: unknown) => string
  return { code, message: oneLine(sentence(parameters[0]), 2000) }
}

/** A refusal, as an Outcome. */
export const refuse = <Code extends ReasonCode>(
  code: Code,
  ...parameters: Parameters_<Code>
): { ok: false; reason: Reason } => ({
  ok: false,
  reason: reason(code, ...parameters),
})

const mostReasons = 100

/** A refusal by the first of these reasons, with the others behind it, each once; undefined when there is none. */
export function refuseAll(reasons: readonly Reason[]): { ok: false; reason: Reason } | undefined {
  const all = reasons.flatMap(({ more = [], ...one }) => [one, ...more])
  const [first, ...more] = new Map(all.map((one) => [one.message, one])).values()
  if (!first) return undefined
  const kept = more.slice(0, mostReasons).map(({ code, message }) => ({ code, message }))
  return { ok: false, reason: kept.length > 0 ? { ...first, more: kept } : first }
}

/** A result, as an Outcome. */
export const done = <T>(value: T): { ok: true; value: T } => ({ ok: true, value })

/** What terminals take for orders and do not show: colours, cursors, titles, links (ECMA-48, 5.4 and 5.6). */
const escapes = (() => {
  const [esc, bel, csi, end] = [0x1b, 0x07, 0x9b, 0x9c].map((code) => String.fromCharCode(code))
  const strings = [0x90, 0x98, 0x9d, 0x9e, 0x9f].map((code) => String.fromCharCode(code)).join('')
  const sequence = `(?:${esc}\\[|${csi})[0-?]*[ -/]*[@-~]`
  const text = `(?:${esc}[\\]PX^_]|[${strings}])[^${esc}${bel}${end}\\n]*(?:${bel}|${end}|${esc}\\\\)?`
  return new RegExp(`${sequence}|${text}|${esc}[ -/]*[0-~]`, 'g')
})()

/**
 * Text on one line: escape sequences are left out whole, other control characters become spaces. Cut to `limit` characters with an ellipsis.
 */
export function oneLine(text: string, limit: number): string {
  const flat = text
    .replace(escapes, '')
    .replace(turning, ' ')
    .replace(/\p{Cc}+/gu, ' ')
    .replace(/ {2,}/g, ' ')
    .trim()
  return flat.length <= limit ? flat : `${flat.slice(0, limit - 1)}…`
}

/** The last of these lines that shows anything, on one line; of a line that was written over and over, as progress bars are, its last state. */
export function lastWords(lines: readonly string[], limit: number): string {
  for (const line of lines.toReversed()) {
    const state = line.split('\r').findLast((one) => oneLine(one, 2) !== '')
    if (state !== undefined) return oneLine(state, limit).replace(/[.:]+$/, '')
  }
  return ''
}

/** The sentence of a code with `…` for all that it is about, for the reference page. */
export function sampleSentence(code: ReasonCode): string {
  const anything = new Proxy({}, { get: () => '…' })
  return (records[code].sentence as (p: unknown) => string)(anything)
}
