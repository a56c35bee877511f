import { done, type Outcome, refuse } from '@taxiway/domain/reason.ts'

/** Deeper nesting than this is nobody's webhook, and would cost the parser its stack. */
const deepest = 64

/** Parses a JSON object from untrusted bytes: no deep nesting, no keys that reach into prototypes. */
export function parsePayload(raw: Buffer): Outcome<Record<string, unknown>> {
  if (depthOf(raw) > deepest) return refuse('body_invalid', { detail: `it is nested deeper than ${deepest} levels` })
  try {
    const text = raw.toString('utf8')
    const value: unknown = JSON.parse(text, mayReachPrototypes(text) ? refusePrototypes : undefined)
    if (typeof value !== 'object' || value === null || Array.isArray(value))
      return refuse('body_invalid', { detail: 'it is not a JSON object' })
    return done(value as Record<string, unknown>)
  } catch (error) {
    const detail = error instanceof SyntaxError && error.message.startsWith('it has') ? error.message : 'it is not JSON'
    return refuse('body_invalid', { detail })
  }
}

/** Looking at every key is slow, and no honest payload names these; an escape might spell them. */
const mayReachPrototypes = (text: string): boolean =>
  text.includes('__proto__') || text.includes('"prototype"') || text.includes('\\u00')

function refusePrototypes(key: string, inner: unknown): unknown {
  if (key === '__proto__') throw new SyntaxError('it has a key __proto__')
  if (key === 'constructor' && typeof inner === 'object' && inner !== null && 'prototype' in inner)
    throw new SyntaxError('it has a key constructor.prototype')
  return inner
}

/** The deepest nesting of the bytes, brackets within strings left out. */
function depthOf(raw: Buffer): number {
  let depth = 0
  let most = 0
  let inString = false
  for (let index = 0; index < raw.length; index++) {
    const byte = raw[index]
    if (inString) {
      if (byte === 0x5c) index++
      else if (byte === 0x22) inString = false
    } else if (byte === 0x22) inString = true
    else if (byte === 0x7b || byte === 0x5b) most = Math.max(most, ++depth)
    else if (byte === 0x7d || byte === 0x5d) depth--
  }
  return most
}
