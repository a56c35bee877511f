import type { PlannedTest } from '@taxiway/domain/plan/tests.ts'
import { done, lastWords, type Outcome, oneLine, type Reason, reason, refuse } from '@taxiway/domain/reason.ts'
import type { Ran } from './container.ts'
import { isOwnLine, type Script } from './script.ts'

/** Of a cause in a verdict. */
export const mostWords = 200
/** 128 + SIGKILL. */
const killed = 137
/** What a program that can't be executed, or is not there, ends with (POSIX, 2.8.2). */
const cannotRun = new Set([126, 127])

/**
 * What a test came to. Commands that ended with 0 have passed, whatever was killed beside them. It ran out of memory when the kernel says so and the
 * commands were killed for it; another failure after such a kill is told with it.
 * @param ending what is known of the cause, and whether any command began: without one, nothing was tested
 */
export function judge(
  planned: Pick<PlannedTest, 'name' | 'shell' | 'timeoutMs'>,
  ran: Ran,
  { memoryMb, words, hasBegun }: { memoryMb: number; words: string; hasBegun: boolean },
): { verdict: Outcome<void>; note?: Reason } {
  const { name: test, shell = 'sh', timeoutMs } = planned
  const step = `Test ${test}`
  if (ran.timedOut) return { verdict: refuse('timeout', { step, seconds: timeoutMs / 1000 }) }
  const note = ran.oomKilled ? { note: reason('process_killed', { step: `test ${test}`, limitMb: memoryMb }) } : {}
  if (!hasBegun && (ran.exitCode === 0 || cannotRun.has(ran.exitCode))) {
    const detail = ran.exitCode === 0 ? `${shell} of the image runs none` : `the image has no ${shell} that runs them`
    return { verdict: refuse('test_failed', { test, exit: ran.exitCode, detail: `no command began, as ${detail}` }) }
  }
  if (ran.exitCode === 0) return { verdict: done(undefined), ...note }
  if (ran.met) return { verdict: refuse('resource_limit', { step, ...ran.met }) }
  if (ran.oomKilled && ran.exitCode === killed) return { verdict: refuse('out_of_memory', { step, limitMb: memoryMb }) }
  return { verdict: refuse('test_failed', { test, exit: ran.exitCode, detail: words }), ...note }
}

/**
 * What the command that failed printed last, or which it was when it printed nothing. `exit 3` says nothing of its own: what came before it counts.
 * @param lines the last ones, without its time
 */
export function causeOf(script: Pick<Script, 'last'>, lines: readonly string[]): string {
  const last = script.last()
  const isNamed = last?.isSilent && !/^\s*exit\b/.test(last.command)
  const words = isNamed
    ? ''
    : lastWords(
        lines.filter((line) => !isOwnLine(line)),
        mostWords,
      )
  return words !== '' || !last ? words : `${oneLine(last.command, mostWords)}, which printed nothing`
}
