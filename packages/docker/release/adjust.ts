import type { ObjectDrift } from '@taxiway/domain/environment/drift.ts'
import { chosen, type LiveRelease, objectOf } from '@taxiway/domain/environment/release.ts'
import type { Work } from '@taxiway/domain/environment/work.ts'
import { done, type Outcome, refuse } from '@taxiway/domain/reason.ts'
import { restartContainer } from '../container/release-container.ts'
import { startAll, wantedOf, workloadOf } from './container.ts'
import { servingOf } from './live.ts'
import { awaitReady, checkNewest, type Machine } from './release.ts'
import { retire } from './retire.ts'
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
  await machine.routes.reconcile()
  return done(undefined)
}

/** Restarts the containers of a workload one after another, each once the one before it is ready. */
export async function restart(
  machine: Machine,
  live: LiveRelease,
  { workload, at }: { workload: string; at: string },
  work: Work,
): Promise<Outcome<void>> {
  const ready = await prepare(machine, live, workload)
  if (!ready.ok) return ready
  const { order, plan, name } = ready.value
  for (const container of await servingOf(machine, order, work.signal)) {
    // One that started since then was restarted by an earlier try.
    if (workloadOf(container) !== name || Date.parse(container.startedAt) > Date.parse(at)) continue
    await restartContainer(machine.engine, container.id)
    const verdict = await awaitReady(machine, order, plan, live.generation, work)
    if (!verdict.ok) return verdict
    if (!verdict.value.healthy) return refuse('change_refused', { workload, detail: verdict.value.detail })
  }
  return done(undefined)
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

/** Workloads whose containers are not all there. A container can't be changed, only removed. */
export async function drift(
  machine: Machine,
  live: LiveRelease,
  names: readonly string[],
  { signal }: Work,
): Promise<Outcome<Map<string, ObjectDrift | null>>> {
  const order = chosen(live)
  const plan = readObjects(order.objects, order.secrets)
  if (!plan.ok) return plan
  const there = new Set((await servingOf(machine, order, signal)).map(({ name }) => name))
  const all = wantedOf(order, plan.value, await readTemplates(machine, order))
  const found = new Map<string, ObjectDrift | null>(names.map((name) => [name, null]))
  for (const object of names) {
    const wanted = all.filter(({ workload }) => object.endsWith(`/${workload.name}`))
    const gone = wanted.filter(({ name }) => !there.has(name))
    const detail = `${gone.length} of ${wanted.length} containers are gone`
    if (gone.length > 0 && isWorkload(object)) found.set(object, { object, change: 'deleted', detail, fields: [] })
  }
  return done(found)
}
const isWorkload = (name: string): boolean => /^(Deployment|StatefulSet|DaemonSet)\//.test(name)

/** Starts what is not there any more. */
export async function correct(machine: Machine, live: LiveRelease, work: Work): Promise<Outcome<void>> {
  const newest = await checkNewest(machine, live.order, live.generation)
  if (!newest.ok) return newest
  const order = chosen(live)
  const plan = readObjects(order.objects, order.secrets)
  if (!plan.ok) return plan
  const started = await startAll(machine, order, plan.value, await readTemplates(machine, order), work)
  if (started.ok) await machine.routes.reconcile()
  return started
}
