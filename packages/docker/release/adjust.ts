import { chosen, type LiveRelease, objectOf } from '@taxiway/domain/environment/release.ts'
import type { Work } from '@taxiway/domain/environment/work.ts'
import { done, type Outcome, refuse } from '@taxiway/domain/reason.ts'
import { restartContainer } from '../container/release-container.ts'
import { startAll, wantedOf, workloadOf } from './container.ts'
import { servingOf } from './live.ts'
import { awaitReady, checkNewest, type Machine } from './release.ts'
import { aside, retire } from './retire.ts'
import type { Templates } from './state.ts'
import { readTemplates } from './template.ts'
import { type Plan, readObjects } from './workload.ts'

/** Starts or stops containers of a workload until it has so many. */
export async function scale(
  machine: Machine,
  live: LiveRelease,
  { workload }: { workload: string; replicas: number },
  work: Work,
): Promise<Outcome<void>> {
  const ready = await prepare(machine, live, workload)
  if (!ready.ok) return ready
  const { order, plan, templates, name } = ready.value
  const started = await startAll(machine, order, plan, templates, work)
  if (!started.ok) return started
  const wanted = new Set(wantedOf(order, plan, templates).map((one) => one.name))
  const surplus = (await servingOf(machine, order, work.signal)).filter(
    (container) => workloadOf(container) === name && !wanted.has(container.name),
  )
  await retire(machine, order, surplus, work.signal)
  await machine.proxy.reconcile()
  return done(undefined)
}

/**
 * Restarts the containers of a workload one after another, each once the one before it is ready; those that are down are started
 * first. While one restarts it gets no request.
 */
export async function restart(
  machine: Machine,
  live: LiveRelease,
  { workload, at }: { workload: string; at: string },
  work: Work,
): Promise<Outcome<void>> {
  const ready = await prepare(machine, live, workload)
  if (!ready.ok) return ready
  const { order, plan, templates, name } = ready.value
  // Only its own containers are waited for: what is wrong with others is no reason.
  const own = { ...plan, workloads: plan.workloads.filter((one) => one.name === name) }
  const awaitOwn = () => awaitReady(machine, order, own, live.generation, work)
  const containers = (await servingOf(machine, order, work.signal)).filter((one) => workloadOf(one) === name)
  const [running, down] = [
    containers.filter(({ state }) => state === 'running'),
    containers.filter(({ state }) => state !== 'running'),
  ]
  await Promise.all(down.map(({ id }) => restartContainer(machine.engine, id)))
  const started = await startAll(machine, order, own, templates, work)
  if (!started.ok) return started
  let verdict = await awaitOwn()
  for (const container of running) {
    // One that started since then was restarted by an earlier try.
    if (Date.parse(container.startedAt) > Date.parse(at)) continue
    if (!verdict.ok || !verdict.value.healthy) break
    await aside(machine, order, [container], work.signal, async () => {
      await restartContainer(machine.engine, container.id)
      verdict = await awaitOwn()
    })
  }
  if (!verdict.ok) return verdict
  return verdict.value.healthy ? done(undefined) : refuse('change_refused', { workload, detail: verdict.value.detail })
}

/** Is the release still the newest, and which of its workloads is meant? */
async function prepare(
  machine: Machine,
  live: LiveRelease,
  workload: string,
): Promise<Outcome<{ order: LiveRelease['order']; plan: Plan; templates: Templates; name: string }>> {
  const newest = await checkNewest(machine, live.order, live.generation)
  if (!newest.ok) return newest
  const object = objectOf(live, workload)
  if (!object) return refuse('change_refused', { workload, detail: 'the live release has none' })
  if (object.kind === 'DaemonSet' && live.byHand[workload] !== undefined)
    return refuse('change_refused', { workload, detail: 'a DaemonSet has no replicas to choose' })
  const order = chosen(live)
  const plan = readObjects(order.objects, order.secrets)
  if (!plan.ok) return plan
  const templates = await readTemplates(machine, order)
  return done({ order, plan: plan.value, templates, name: object.metadata.name })
}
