import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { makeTaxiway } from '../world/taxiway.ts'
import { type BenchContext, type BenchResult, round } from './figures.ts'

/** Memory of all roles in one process, ten seconds after it is ready. */
export async function idle({ folder, environment }: BenchContext): Promise<BenchResult> {
  const taxiway = await makeTaxiway({ folder: join(folder, 'idle'), environment })
  const { child } = await taxiway.start()
  await sleep(10_000)
  const kilobytes = Number(/VmRSS:\s+(\d+)/.exec(readFileSync(`/proc/${child.pid}/status`, 'utf8'))?.[1])
  await taxiway.stop()
  const rss = round((kilobytes * 1024) / 1e6, 0)
  return {
    rows: [{ figure: 'idle memory, all roles', goal: '<= 180 MB', measured: `${rss} MB`, holds: rss <= 180 }],
    figures: { rss_mb: rss },
  }
}
