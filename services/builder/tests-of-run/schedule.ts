import type { PlannedTest } from '@taxiway/domain/plan/tests.ts'

/** What is done with a test when its turn has come. */
export interface TestWork {
  /** @returns false when what needs it is left out */
  run(test: PlannedTest, index: number): Promise<boolean>
  /** The test is left out: `need` did not pass, or was left out itself. */
  skip(test: PlannedTest, need: string): Promise<void>
}

const keyOf = (test: PlannedTest): string => test.key ?? test.name

/**
 * Runs tests side by side, each once all that it needs have passed: with a matrix, in all its cases. What is needed and not in the
 * plan holds nobody up. A fault lets those that run come to their end, and no other begin.
 * @throws the first fault
 */
export async function inOrder(tests: PlannedTest[], atOnce: number, work: TestWork): Promise<void> {
  const waiting = new Map(tests.map((test, index) => [test, index]))
  const running = new Map<PlannedTest, Promise<void>>()
  const notPassed = new Set<string>()
  const faults: unknown[] = []

  const isOpen = (key: string) => [...waiting.keys(), ...running.keys()].some((test) => keyOf(test) === key)
  const begin = (test: PlannedTest, index: number) => {
    const ended = work
      .run(test, index)
      .then((passed) => void (passed || notPassed.add(keyOf(test))))
      .catch((error) => void faults.push(error))
      .finally(() => running.delete(test))
    running.set(test, ended)
  }
  for (;;) {
    for (const [test, index] of waiting) {
      const failed = test.needs?.find((need) => notPassed.has(need))
      const isReady = !test.needs?.some(isOpen)
      if (faults.length > 0) waiting.clear()
      else if (failed !== undefined) {
        waiting.delete(test)
        notPassed.add(keyOf(test))
        await work.skip(test, failed)
      } else if (isReady && running.size < atOnce) {
        waiting.delete(test)
        begin(test, index)
      }
    }
    if (running.size === 0) break
    await Promise.race(running.values())
  }
  if (faults.length > 0) throw faults[0]
}
