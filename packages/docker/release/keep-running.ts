import type { LiveRelease } from '@taxiway/domain/environment/release.ts'
import { chosen } from '@taxiway/domain/environment/release.ts'
import type { Work } from '@taxiway/domain/environment/work.ts'
import { done, type Outcome } from '@taxiway/domain/reason.ts'
import { inspectContainer, removeContainer, resumeContainer } from '../container/release-container.ts'
import { keyOf, startOne, wantedOf } from './container.ts'
import { checkNewest, type Machine } from './release.ts'
import { readTemplates } from './template.ts'
import { readObjects } from './workload.ts'

const isDown = (state: string): boolean => ['created', 'exited', 'dead'].includes(state)

/**
 * Starts what should run of a live release and does not: containers that ended while the engine was away, that somebody stopped, or
 * that are gone. Those that crash are the engine's, which starts them again by itself.
 * @returns what was started and why, a line each
 */
export async function keepRunning(machine: Machine, live: LiveRelease, work: Work): Promise<Outcome<string[]>> {
  const { engine, state, proxy } = machine
  const order = chosen(live)
  const newest = await checkNewest(machine, order, live.generation)
  if (!newest.ok) return newest
  const plan = readObjects(order.objects, order.secrets)
  if (!plan.ok) return plan
  if ((await state.read()).environments[keyOf(order)]?.serving !== order.generation) return done([])
  const lines: string[] = []
  for (const wanted of wantedOf(order, plan.value, await readTemplates(machine, order))) {
    const found = await inspectContainer(engine, wanted.name, work.signal)
    if (found && !isDown(found.state)) continue
    const why = found ? `had ended (exit ${found.exitCode})` : 'was gone'
    // One that can't be started any more, as its network was made anew, is made anew as well.
    if (found && !(await resumeContainer(engine, found.id))) await removeContainer(engine, found.id)
    const started = await startOne(machine, order, wanted, plan.value, work)
    if (!started.ok) return started
    lines.push(`${wanted.name} ${why}, ${started.value ?? 'started again'}`)
  }
  if (lines.length > 0) await proxy.reconcile()
  return done(lines)
}
