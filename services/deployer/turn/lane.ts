import type { RunId } from '@taxiway/domain/ids.ts'
import { placeOf } from '@taxiway/domain/run/late-push.ts'
import type { Run } from '@taxiway/domain/run/run.ts'
import type { Store } from '@taxiway/store/store.ts'
import { Left } from '@taxiway/worker/end.ts'
import type { StageContext } from '@taxiway/worker/stage.ts'
import type { Lane, ReleaseDeps } from '../roll-out.ts'

const renewMs = 500

/** A run as people know it: `run #7 (abc1234)`. */
export async function describeRun({ runs }: Store, id: RunId): Promise<string> {
  const run = await runs.read(id)
  return run ? `run #${run.number} (${run.sha.slice(0, 7)})` : id
}

/** The place of a run in the order of intake, among those that want an environment. */
export const placeAmong = async ({ runs }: Store, run: Run): Promise<number> => placeOf(run, await runs.pushesOf(run))

/**
 * Waits for the environment to be free and takes it. Order comes from the sequence of intake, never from who arrives first.
 * @throws Left when a newer run wants the environment
 */
export async function holdLane(stage: StageContext, { store, environment, holder }: ReleaseDeps): Promise<Lane> {
  const { run, signal } = stage
  const { releases } = store
  const { leaseMs } = store.runs
  const describe = (id: RunId) => describeRun(store, id)
  const place = await placeAmong(store, run)
  for (let waits = 0; ; waits++) {
    signal.throwIfAborted()
    const wanted = await releases.want(run, environment.name, place)
    if (wanted !== run.id) throw new Left({ end: 'superseded', by: await describe(wanted) })
    if (await releases.holdLane(run.repo, environment.name, holder, leaseMs)) break
    if (waits === 0) stage.log.say('waiting for the roll-out before this one')
    await new Promise((resolve) => setTimeout(resolve, 100))
  }
  const controller = new AbortController()
  let newer: string | undefined
  const look = async () => {
    if (!(await releases.holdLane(run.repo, environment.name, holder, leaseMs))) return controller.abort('fenced')
    const wanted = await releases.wanted(run.repo, environment.name)
    if (wanted === null || wanted === run.id) return
    newer = await describe(wanted)
    controller.abort('superseded')
  }
  let looking: Promise<void> | undefined
  // While Redis is away the roll-out goes on, and one look waits; the generation in the target keeps order there.
  const timer = setInterval(() => {
    looking ??= look()
      .catch(() => {})
      .finally(() => {
        looking = undefined
      })
  }, renewMs)
  return {
    signal: controller.signal,
    supersededBy: () => newer,
    look,
    async leave() {
      clearInterval(timer)
      // It would take the lane again.
      await looking
      await releases.leaveLane(run.repo, environment.name, holder)
    },
  }
}
