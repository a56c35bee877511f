import { posix } from 'node:path'
import { codesOf, compileGlob } from '@taxiway/domain/glob.ts'

/** An ignore file may take so many steps of matching, and so many more for each file of the context. */
const mostSteps = 20_000_000
const stepsPerFile = 20_000

export interface IgnoreRules {
  /** Is the path left out? Undefined once matching has taken far too long. */
  ignores(path: string): boolean | undefined
  /** With exceptions (`!a/b`), ignored folders must be looked into, too. */
  hasExceptions: boolean
}

/**
 * The rules of a `.dockerignore` (docs.docker.com/build/concepts/context/#dockerignore-files): the last that matches a file or a
 * folder above it decides; case counts.
 */
export function ignoreRules(lines: readonly string[]): IgnoreRules {
  const rules = lines.flatMap((line) => {
    if (line.startsWith('#')) return []
    const isException = line.trim().startsWith('!')
    const pattern = posix
      .normalize(
        line
          .trim()
          .slice(isException ? 1 : 0)
          .trim() || '.',
      )
      .replace(/^\/+|\/$/g, '')
    if (pattern === '.' || pattern === '') return []
    return [{ isException, matches: compileGlob(pattern, { plainBraces: true, below: true }) }]
  })
  const steps = { left: mostSteps }
  return {
    ignores(path) {
      steps.left += stepsPerFile
      const codes = codesOf(path)
      let isIgnored = false
      for (const { isException, matches } of rules) {
        if (steps.left < 0) return undefined
        if (isIgnored === isException && matches(codes, steps)) isIgnored = !isException
      }
      return isIgnored
    },
    hasExceptions: rules.some(({ isException }) => isException),
  }
}
