/**
 * The globs of pipeline files and registrations, and nothing else: `*` stays within a path part, `**` crosses them, `?` is one
 * character, `[a-z]` and `[!a-z]` are one of some, `{a,b}` is either, `\` takes the next character as it is. They are
 * anybody's, so all ways through a glob are followed at once and none is tried twice: no glob takes more steps than its
 * length times that of the text.
 */

/** What takes a character: its code, or one of these. */
const nothing = -1
const notSlash = -2
const anything = -3
/** Of classes, the first is -4, the next -5. */
const firstClass = -4
const slash = 47

type Part = { takes: number } | { loops: number } | 'folders' | { either: Part[][] }

/** A state of the automaton: it takes a character to get to `to`, stays by those that it `loops` over, and is `also` in others. */
interface State {
  takes: number
  loops: number
  to: number
  also: number[]
  /** The fewest characters from here to the end. */
  needs: number
}
type Class = { isOut: boolean; ranges: [number, number][] }

/** What `pattern` of the schema lets no glob have: signs that other tools read as patterns, and that would match nothing here. */
export const globPattern = String.raw`^(?!.*(?:[@+!?*]\(|\[\[:|\{[^{},]{0,20}[.][.])).+$`

/** Most steps of one matcher; a hostile list of globs could take a builder's time with a long list of files. */
const mostSteps = 5_000_000
const stepsPerText = 500

/**
 * Makes the question whether a text matches the globs: the last that matches decides, and one that begins with `!` leaves out.
 * If the first does, all others are in. Nothing matches an empty text. Once it has taken far too many steps, all matches.
 */
export function globMatcher(globs: readonly string[]): (text: string) => boolean {
  const rules = globs.map((glob) => {
    const isOut = glob.startsWith('!')
    return { isOut, matches: compileGlob(isOut ? glob.slice(1) : glob) }
  })
  const steps = { left: mostSteps }
  return (text) => {
    if (steps.left < 0) return true
    steps.left += stepsPerText
    const codes = codesOf(text)
    let isIn = rules[0]?.isOut ?? false
    for (const { isOut, matches } of rules) {
      if (isIn === isOut && matches(codes, steps)) isIn = !isOut
    }
    return isIn
  }
}

/** The characters of a text, as a compiled glob takes them. */
export const codesOf = (text: string): number[] => Array.from(text, (character) => character.codePointAt(0) as number)

export interface GlobOptions {
  /** Braces are no signs. */
  plainBraces?: boolean
  /** What is in a folder that matches does, too. */
  below?: boolean
}
/** One glob, as a question to ask of the characters of a text; what each asking took is drawn from `steps`. */
export function compileGlob(
  glob: string,
  { plainBraces = false, below = false }: GlobOptions = {},
): (codes: readonly number[], steps: { left: number }) => boolean {
  const classes: Class[] = []
  const states: State[] = [{ takes: nothing, loops: nothing, to: 0, also: [], needs: 0 }]
  const start = build(parse(glob, classes, plainBraces), 0, states)
  // Plain columns of numbers are what makes it fast.
  const column = (of: (state: State) => number) => Int32Array.from(states, of)
  const takes = column((state) => state.takes)
  const loops = column((state) => state.loops)
  const to = column((state) => state.to)
  const needs = column((state) => state.needs)
  const also = states.map((state) => (state.also.length > 0 ? state.also : undefined))
  const seenAt = new Int32Array(states.length)
  let active = new Int32Array(states.length)
  let next = new Int32Array(states.length)
  let count = 0
  const enter = (index: number, at: number, left: number): void => {
    if (seenAt[index] === at || (needs[index] as number) > left) return
    seenAt[index] = at
    next[count++] = index
    const others = also[index]
    if (others) for (const other of others) enter(other, at, left)
  }
  return (codes, steps) => {
    const { length } = codes
    if (length === 0) return false
    seenAt.fill(-1)
    count = 0
    enter(start, 0, length)
    for (let at = 0; at < length && count > 0; at++) {
      const code = codes[at] as number
      if (below && code === slash && seenAt[0] === at) return true
      const most = count
      steps.left -= most
      count = 0
      ;[active, next] = [next, active]
      for (let one = 0; one < most; one++) {
        const index = active[one] as number
        const loop = loops[index] as number
        if (loop === anything || (loop === notSlash && code !== slash)) enter(index, at + 1, length - at - 1)
        const take = takes[index] as number
        if (take === code || (take < nothing && isTaken(take, code, classes)))
          enter(to[index] as number, at + 1, length - at - 1)
      }
    }
    return seenAt[0] === length
  }
}

/** Of `?` and classes: neither takes a slash. */
function isTaken(takes: number, code: number, classes: readonly Class[]): boolean {
  if (code === slash) return false
  if (takes === notSlash) return true
  const { isOut, ranges } = classes[firstClass - takes] as Class
  return ranges.some(([from, to]) => from <= code && code <= to) !== isOut
}

/** Adds the states of the parts, from the last to the first, in front of the state `after`. @returns the first of them */
function build(parts: readonly Part[], after: number, states: State[]): number {
  const add = (state: Partial<State>) =>
    states.push({ takes: nothing, loops: nothing, to: 0, also: [], needs: 0, ...state }) - 1
  const needs = (index: number) => states[index]?.needs ?? 0
  return parts.reduceRight((next, part) => {
    if (part === 'folders') {
      const loop = add({ loops: anything, takes: slash, to: next, needs: needs(next) + 1 })
      return add({ also: [loop, next], needs: needs(next) })
    }
    if ('either' in part) {
      const also = part.either.map((option) => build(option, next, states))
      return add({ also, needs: Math.min(...also.map(needs)) })
    }
    if ('takes' in part) return add({ takes: part.takes, to: next, needs: needs(next) + 1 })
    const { loops } = part
    const before = states[next]
    const isPlain = before && before.takes !== nothing && before.loops === nothing && before.also.length === 0
    return isPlain ? add({ ...before, loops }) : add({ loops, also: [next], needs: needs(next) })
  }, after)
}

function parse(glob: string, classes: Class[], plainBraces: boolean): Part[] {
  const signs = [...glob]
  const closes = plainBraces ? new Map<number, number>() : closingBraces(signs)
  return sequence(0, signs.length)

  function sequence(from: number, to: number): Part[] {
    const parts: Part[] = []
    let at = from
    while (at < to) at = part(at, to, parts)
    return parts
  }
  /** @returns where the next part begins */
  function part(at: number, to: number, parts: Part[]): number {
    const sign = signs[at] as string
    if (sign === '*') {
      let end = at + 1
      while (end < to && signs[end] === '*') end++
      const isMany = end > at + 1
      const isFolders = isMany && (at === 0 || signs[at - 1] === '/') && end < to && signs[end] === '/'
      parts.push(isFolders ? 'folders' : { loops: isMany ? anything : notSlash })
      return isFolders ? end + 1 : end
    }
    const set = sign === '[' ? parseClass(signs, at, to) : undefined
    if (set) {
      parts.push({ takes: firstClass - (classes.push(set) - 1) })
      return set.end
    }
    const close = closes.get(at)
    if (close !== undefined && close < to) {
      parts.push({ either: options(at + 1, close).map(([first, end]) => sequence(first, end)) })
      return close + 1
    }
    const isEscape = sign === '\\' && at + 1 < to
    parts.push({ takes: sign === '?' ? notSlash : codeOf(signs[isEscape ? at + 1 : at]) })
    return isEscape ? at + 2 : at + 1
  }
  /** The parts between the commas that are in no inner braces. */
  function options(from: number, to: number): [number, number][] {
    const found: [number, number][] = []
    let first = from
    for (let at = from; at < to; at++) {
      if (signs[at] === '\\') at++
      else if (signs[at] === ',') {
        found.push([first, at])
        first = at + 1
      } else at = closes.get(at) ?? at
    }
    return [...found, [first, to]]
  }
}

/** Opening brace -> the one that closes it, where there is a comma between them: others are themselves. */
function closingBraces(signs: readonly string[]): Map<number, number> {
  const closes = new Map<number, number>()
  const open: { at: number; hasComma: boolean }[] = []
  for (let at = 0; at < signs.length; at++) {
    const innermost = open.at(-1)
    if (signs[at] === '\\') at++
    else if (signs[at] === '{') open.push({ at, hasComma: false })
    else if (signs[at] === ',' && innermost) innermost.hasComma = true
    else if (signs[at] === '}' && innermost) {
      open.pop()
      if (innermost.hasComma) closes.set(innermost.at, at)
    }
  }
  return closes
}

const codeOf = (sign: string | undefined) => sign?.codePointAt(0) ?? 0

/** `[a-z]`; undefined if no bracket closes it. */
function parseClass(signs: readonly string[], open: number, to: number): (Class & { end: number }) | undefined {
  const isOut = signs[open + 1] === '!' || signs[open + 1] === '^'
  const first = open + (isOut ? 2 : 1)
  const close = signs.indexOf(']', first + 1)
  if (close === -1 || close >= to) return undefined
  const ranges: [number, number][] = []
  for (let at = first; at < close; at++) {
    const from = codeOf(signs[at])
    const isRange = signs[at + 1] === '-' && at + 2 < close
    if (isRange) at += 2
    ranges.push([from, isRange ? codeOf(signs[at]) : from])
  }
  return { isOut, ranges, end: close + 1 }
}
