import { readFileSync } from 'node:fs'
import { mkdir, rename, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { type EndedStep, killsIn, type StepLimiter } from './step-limits.ts'

const nameOfFile = 'ended-steps.json'

/** Tells the builders of this machine which steps were ended. The file is written anew even if none was: its time says that somebody looks. */
export async function tellEndedSteps(folder: string, ended: readonly EndedStep[]): Promise<void> {
  await mkdir(folder, { recursive: true })
  const path = join(folder, nameOfFile)
  await writeFile(`${path}.new`, JSON.stringify(ended))
  await rename(`${path}.new`, path)
}

/** The limits that a guard beside the engine keeps, as far as a builder has to know of them. */
export const guardedSteps = (folder: string): StepLimiter => ({
  endedSince(sinceMs) {
    try {
      const ended = JSON.parse(readFileSync(join(folder, nameOfFile), 'utf8')) as EndedStep[]
      return ended.findLast(({ atMs }) => atMs >= sinceMs)
    } catch {
      // There is no guard, or it has not told anything yet.
      return undefined
    }
  },
  // The machine's count: a builder without rights does not see the steps' own.
  memoryKills: () => killsIn('/proc/vmstat'),
  stop() {},
})
