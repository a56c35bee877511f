import { type Automaton, makeAutomaton, search } from './aho-corasick.ts'
import { formsOf, shortestHidden } from './forms.ts'

/** Hides values in text that arrives in pieces. */
export interface Mask {
  /** Takes a piece. @returns what is safe to show so far */
  push(text: string): string
  /** @returns the rest */
  end(): string
}
type Automata = { exact: Automaton; broken: Automaton } | undefined
/** Where a value stands, in characters since the text began. */
interface Place {
  start: number
  end: number
}

/** A list of secrets serves every stage of an attempt, and equal lists serve other attempts. */
const known = new WeakMap<readonly string[], { automata: Automata }>()
const recent = new Map<string, { automata: Automata }>()
const mostRecent = 4

function automataOf(secrets: readonly string[]): Automata {
  const found = known.get(secrets)
  if (found) return found.automata
  const content = JSON.stringify(secrets)
  const entry = recent.get(content) ?? { automata: makeAutomata(secrets) }
  recent.delete(content)
  recent.set(content, entry)
  for (const oldest of recent.keys()) if (recent.size > mostRecent) recent.delete(oldest)
  known.set(secrets, entry)
  return entry.automata
}

function makeAutomata(secrets: readonly string[]): Automata {
  const { written, encoded } = formsOf(secrets)
  return written.length === 0 ? undefined : { exact: makeAutomaton(written), broken: makeAutomaton(encoded) }
}

/**
 * Hides secret values, in all the forms of `formsOf`, as `***`. What may be the beginning of one waits for what follows.
 * Values shorter than 6 characters are not hidden.
 */
export function makeMask(secrets: readonly string[]): Mask {
  const automata = automataOf(secrets)
  if (!automata) return { push: (text) => text, end: () => '' }
  const { exact, broken } = automata
  const state = { exact: 0, broken: 0 }
  let held = ''
  /** Where `held` begins, and up to where the text has been shown or hidden. */
  let base = 0
  let done = 0
  let places: Place[] = []

  const show = (upTo: number): string => {
    let shown = ''
    for (const { start, end } of places) {
      if (start >= upTo) break
      // One that begins within what is hidden already is hidden by the same stars.
      if (start >= done) shown += `${held.slice(done - base, start - base)}***`
      done = Math.max(done, end)
    }
    places = places.filter(({ start }) => start >= upTo)
    if (done < upTo) {
      shown += held.slice(done - base, upTo - base)
      done = upTo
    }
    held = held.slice(upTo - base)
    base = upTo
    return shown
  }
  return {
    push(text) {
      const offset = held.length
      held += text
      const found = [...places]
      search(exact, broken, state, text, (inBroken, at, length) => {
        const end = offset + at
        found.push({ start: base + (inBroken ? startOf(held, end, length) : end - length), end: base + end })
      })
      if (found.length > 0) places = joined(found)
      const exactFrom = held.length - (exact.depth[state.exact] as number)
      return show(base + Math.min(exactFrom, startOf(held, held.length, broken.depth[state.broken] as number)))
    },
    end() {
      state.exact = 0
      state.broken = 0
      return show(base + held.length)
    },
  }
}

/** Goes back by `length` characters that are no white space. */
function startOf(text: string, end: number, length: number): number {
  if (length === 0) return end
  let at = end
  for (let left = length; left > 0 && at > 0; at--) {
    const code = text.charCodeAt(at - 1)
    if (code !== 10 && code !== 13 && code !== 32) left -= 1
  }
  return at
}

/** Places in order, those that overlap as one. */
function joined(found: Place[]): Place[] {
  const places: Place[] = []
  for (const place of found.sort((a, b) => a.start - b.start)) {
    const last = places.at(-1)
    if (last && place.start < last.end) last.end = Math.max(last.end, place.end)
    else places.push({ ...place })
  }
  return places
}

/** Hides secrets in a text that is complete. Where an ellipsis cut one off, its beginning is hidden as well. */
export function hideSecrets(secrets: readonly string[], text: string): string {
  const parts = text.split('…')
  return parts
    .map((part, index) => {
      const mask = makeMask(secrets)
      const shown = mask.push(part)
      const rest = mask.end()
      return shown + (index < parts.length - 1 && rest.length >= shortestHidden && rest !== '***' ? '***' : rest)
    })
    .join('…')
}

/** An error with its message, stack and causes rid of secrets, for the service's own log. */
export function hideError(secrets: readonly string[], error: unknown): unknown {
  if (typeof error === 'string') return hideSecrets(secrets, error)
  if (!(error instanceof Error)) return error
  const hidden = new Error(hideSecrets(secrets, error.message))
  hidden.name = error.name
  if (error.stack) hidden.stack = hideSecrets(secrets, error.stack)
  if (error.cause !== undefined) hidden.cause = hideError(secrets, error.cause)
  return hidden
}
