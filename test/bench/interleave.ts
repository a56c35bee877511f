import { existsSync } from 'node:fs'
import { type BenchResult, median, round } from './figures.ts'

/** Debian's own docker builds with BuildKit as it is; others may lack a component for it. */
export const dockerProgram = existsSync('/usr/bin/docker') ? '/usr/bin/docker' : 'docker'

export interface Contest {
  figure: string
  /** The ratio must not be more. */
  goal: number
  rounds: number
  say(line: string): void
  /** One round of ours, in milliseconds. */
  ours(): Promise<number>
  /** The same with the bare commands. */
  bare(): Promise<number>
}

/** Ours and the bare commands in turn, and the median of the rounds' ratios. A round before them fills caches. */
export async function interleave({ figure, goal, rounds, say, ours, bare }: Contest): Promise<BenchResult> {
  const ratios: number[] = []
  for (let index = 0; index <= rounds; index++) {
    const [oursMs, bareMs] = [await ours(), await bare()]
    if (index === 0) continue
    ratios.push(oursMs / bareMs)
    say(`round ${index}: ${round(oursMs, 0)} ms against ${round(bareMs, 0)} ms`)
  }
  const ratio = round(median(ratios), 2)
  const measured = `${ratio} (${ratios.length} rounds)`
  return {
    rows: [{ figure, goal: `<= ${goal.toFixed(2)}`, measured, holds: ratio <= goal }],
    figures: { ratio, rounds: ratios.length },
  }
}

/** Milliseconds that the work takes. */
export async function taken(work: () => Promise<unknown>): Promise<number> {
  const startedMs = performance.now()
  await work()
  return performance.now() - startedMs
}
