import { setTimeout as sleep } from 'node:timers/promises'
import { Redis } from 'ioredis'
import { deliveriesHaveRuns } from './oracle/deliveries.ts'
import { nothingIsLeft } from './oracle/engine.ts'
import { newestIsLive } from './oracle/live.ts'
import { type Look, type Observed, type Question, runsOf } from './oracle/observed.ts'
import { recordIsSmall } from './oracle/record.ts'
import { runsAreOver } from './oracle/runs.ts'
import { secretsAreHidden } from './oracle/secrets.ts'
import { statusesAreTrue } from './oracle/statuses.ts'

/** What holds whenever a Taxiway has been quiet for a while, whatever befell it before. */
const questions: Record<number, Question> = {
  1: deliveriesHaveRuns,
  2: runsAreOver,
  3: statusesAreTrue,
  4: newestIsLive,
  5: nothingIsLeft,
  6: recordIsSmall,
  7: secretsAreHidden,
}
/** A sweep of what a killed worker left, or a status after an outage, takes its time. */
const usualDeadlineMs = 60_000
/** Between two looks; quiet is what two of them in a row find in order. */
const pauseMs = 250

/**
 * Waits until all seven invariants hold, and still hold at a second look.
 * @throws after the deadline, with every violation by the number of its invariant
 */
export async function checkOracle(observed: Observed, deadlineMs = usualDeadlineMs): Promise<void> {
  const redis = new Redis(observed.taxiway.environment.REDIS_URL ?? '', { maxRetriesPerRequest: 5 })
  const until = performance.now() + deadlineMs
  try {
    for (let wasQuiet = false; ; ) {
      // Who doesn't answer yet is asked again.
      const wrong = await ask(observed, redis).catch((error: Error) => [error.message])
      if (wrong.length === 0 && wasQuiet) return
      if (wrong.length > 0 && performance.now() > until)
        throw new Error(`the oracle, after ${deadlineMs / 1000} s:\n${wrong.map((line) => `  ${line}`).join('\n')}`)
      wasQuiet = wrong.length === 0
      await sleep(pauseMs)
    }
  } finally {
    redis.disconnect()
  }
}

async function ask(observed: Observed, redis: Redis): Promise<string[]> {
  const runs = (await Promise.all(observed.repositories.map((one) => runsOf(observed.taxiway, one)))).flat()
  const look: Look = { ...observed, runs, redis, mayBeOpen: ({ id }) => observed.open?.[id] !== undefined }
  const answers = await Promise.all(
    Object.entries(questions).map(async ([number, question]) =>
      (await question(look)).map((what) => `${number}. ${what}`),
    ),
  )
  return answers.flat()
}
