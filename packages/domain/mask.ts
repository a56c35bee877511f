import { makeAutomaton, type Search } from './aho-corasick.ts'
import { formsOf, shortestHidden } from './secret-forms.ts'

/** Hides values in text that arrives in pieces. */
export interface Mask {
  /** Takes a piece. @returns what is safe to show so far */
  push(text: string): string
  /** @returns the rest */
  end(): string
}
type Automata = ReturnType<typeof makeAutomaton>[]
/** Where a value stands, in characters since the text began. */
interface Place {
  start: number
  end: number
}

/** A list of secrets serves every stage of an attempt. */
const known = new WeakMap<readonly string[], Automata>()

function automataOf(secrets: readonly string[]): Automata {
  const found = known.get(secrets)
  if (found) return found
  const { written, encoded } = formsOf(secrets)
  const made = written.length === 0 ? [] : [makeAutomaton(written), makeAutomaton(encoded)]
  known.set(secrets, made)
  return made
}

/**
 * Hides secret values, in all the forms of `formsOf`, as `***`. What may be the beginning of one waits for what follows.
 * Values shorter than 6 characters are not hidden.
 */
export function makeMask(secrets: readonly string[]): Mask {
  const automata = automataOf(secrets)
  if (automata.length === 0) return { push: (text) => text, end: () => '' }
  const searches = automata.map((automaton, index) => ({ search: automaton.start(), skips: index === 1 }))
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
      for (const { search, skips } of searches)
        search.take(text, (end, length) => {
          const start = skips ? startOf(held, offset + end, length) : offset + end - length
          found.push({ start: base + start, end: base + offset + end })
        })
      if (found.length > 0) places = joined(found)
      return show(base + Math.min(...searches.map((one) => pendingFrom(held, one))))
    },
    end() {
      const rest = show(base + held.length)
      for (const [index, automaton] of automata.entries())
        if (searches[index]) searches[index].search = automaton.start()
      return rest
    },
  }
}

/** Where in the text the word begins that may be going on. */
const pendingFrom = (text: string, { search, skips }: { search: Search; skips: boolean }): number => {
  const depth = search.depth()
  if (depth === 0) return text.length
  return skips ? startOf(text, text.length, depth) : text.length - depth
}

/** Goes back by `length` characters that are no white space. */
function startOf(text: string, end: number, length: number): number {
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
