import type { SeenState } from './state.ts'

/** A pod that is replaced leaves a workload without one for a moment: it must last. */
const lastingMs = 30_000
/** An exit longer ago says nothing about how it stands. */
const recentMs = 10 * 60_000
const restartsOfLoop = 2

/**
 * What was wrong with the live release when it was looked at last: a workload without a ready pod for a while, or with one that has
 * crashed again and again since the release was live. Undefined: nothing, or nobody has looked at this generation.
 */
export function downBefore(
  seen: SeenState | undefined,
  live: { generation: number; at?: string },
  nowMs: number,
): string | undefined {
  if (!seen || seen.generation !== live.generation) return undefined
  const isLasting = nowMs - Date.parse(seen.since) >= lastingMs
  for (const { name, condition, detail, pods } of seen.workloads) {
    if (condition === 'down' && isLasting) return `${name}: ${detail ?? 'no pod was ready'}`
    const end = pods.find(({ restarts }) => restarts >= restartsOfLoop)?.lastExit
    const endMs = Date.parse(end?.at ?? '')
    if (end && end.code !== 0 && endMs > Math.max(nowMs - recentMs, Date.parse(live.at ?? '')))
      return `${name}: crash loop, exit ${end.code}`
  }
  return undefined
}
