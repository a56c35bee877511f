import type { ReleaseOrder } from '@taxiway/domain/environment/release.ts'
import type { Restored, Target } from '@taxiway/domain/environment/target.ts'
import type { Work } from '@taxiway/domain/environment/work.ts'
import { done, type Outcome, refuse } from '@taxiway/domain/reason.ts'
import { type ContainerView, removeContainer } from '../container/release-container.ts'
import { removeNetwork } from '../engine/network.ts'
import { containersOf, generationOf, isOf, keyOf, networkOf, startAll, type Wanted, wantedOf } from './container.ts'
import { awaitReady, claim, type Machine, putServices } from './release.ts'
import { soak } from './soak.ts'
import type { Templates } from './state.ts'
import { keepTemplates, planTemplates, readTemplates, servingTemplates } from './template.ts'
import { type Plan, readObjects } from './workload.ts'

type Release = Parameters<Target['restore']>[0]

/** Gives an environment its previous release again. Most often that never stopped serving, and nothing is to be done for it. */
export async function restore(machine: Machine, release: Release, work: Work): Promise<Outcome<Restored>> {
  const { failed, previous, generation, soakMs = 0 } = release
  const claimed = await claim(machine, failed, { generation, runId: (previous ?? failed).runId })
  if (!claimed.ok) return claimed
  if (!previous) return stopAll(machine, release, work)
  const plan = readObjects(previous.objects, previous.secrets)
  if (!plan.ok) return plan
  const templates = await templatesOf(machine, previous, plan.value, work)
  if (!templates.ok) return templates
  const wanted = wantedOf(previous, plan.value, templates.value)
  const names = new Set(wanted.map(({ name }) => name))
  // What the failed release added to a workload goes, what a person did stays.
  const isKept = (container: ContainerView) =>
    isOf(container, templates.value) && (names.has(container.name) || generationOf(container) <= previous.generation)
  const containers = await containersOf(machine.engine, failed, work.signal)
  if (!hasAll(containers, wanted)) {
    // They make room first.
    await removeOthers(machine, release, isKept, work)
    const started = await startAll(machine, previous, plan.value, templates.value, work)
    if (!started.ok) return started
    const verdict = await awaitReady(machine, previous, plan.value, generation, work)
    if (!verdict.ok) return verdict
    if (!verdict.value.healthy)
      return done({ complete: false, detail: `the earlier release is not healthy either: ${verdict.value.detail}` })
  }
  const served = await serve(machine, release, previous.generation, plan.value)
  if (!served.ok) return served
  await removeOthers(machine, release, isKept, work)
  const words = `rolled back to ${previous.sha.slice(0, 7)}`
  if (soakMs === 0) return done({ complete: true, detail: words })
  const verdict = await soak(machine, previous, plan.value, { forMs: soakMs, generation }, work)
  if (!verdict.ok) return verdict
  return verdict.value.healthy
    ? done({ complete: true, detail: words })
    : done({ complete: false, detail: `${words}, which is not healthy either: ${verdict.value.detail}` })
}

/** The templates that the order was applied with; when what it started is long gone, those of today. */
async function templatesOf(machine: Machine, order: ReleaseOrder, plan: Plan, work: Work): Promise<Outcome<Templates>> {
  const known = await readTemplates(machine, order)
  if (plan.workloads.every(({ name }) => known[name] !== undefined)) return done(known)
  const planned = await planTemplates(machine, order, plan, work)
  if (planned.ok) await keepTemplates(machine, order, planned.value)
  return planned
}

const hasAll = (containers: ContainerView[], wanted: Wanted[]): boolean =>
  wanted.every((one) => containers.some(({ name, state }) => name === one.name && state === 'running'))

/** A release that was cancelled after the switch serves by now: its services give way to the earlier ones. */
async function serve(
  { state, proxy }: Machine,
  { failed, generation }: Release,
  serving: number,
  plan: Plan,
): Promise<Outcome<void>> {
  const live = await state.change((record) => {
    const environment = record.environments[keyOf(failed)]
    if (environment && environment.generation > generation) return environment.generation
    if (environment) environment.serving = serving
    for (const key of Object.keys(record.services))
      if (key.startsWith(`${keyOf(failed)}/`) && !plan.services.some(({ service }) => key.endsWith(`/${service}`)))
        delete record.services[key]
    putServices(record, failed, plan)
    return generation
  })
  if (live > generation) return refuse('stale_generation', { generation, live })
  await proxy.reconcile()
  return done(undefined)
}

/** There was no earlier release. What serves in spite of that (the list of releases was lost) is left alone. */
async function stopAll(machine: Machine, release: Release, work: Work): Promise<Outcome<Restored>> {
  const { failed } = release
  const environment = (await machine.state.read()).environments[keyOf(failed)]
  const isServing = environment !== undefined && ![0, failed.generation].includes(environment.serving)
  if (!isServing) {
    const served = await serve(machine, release, 0, { workloads: [], services: [], notes: [] })
    if (!served.ok) return served
  }
  const serving = isServing ? servingTemplates(environment) : {}
  await removeOthers(machine, release, (container) => isOf(container, serving), work)
  if (!isServing) await removeNetwork(machine.engine, networkOf(failed))
  return done({ complete: true, detail: 'scaled to 0: there was no earlier release' })
}

/** Removes what the failed release and those superseded before it left; what is newer belongs to somebody else. */
async function removeOthers(
  { engine }: Machine,
  { failed, generation }: Release,
  isKept: (container: ContainerView) => boolean,
  { signal }: Work,
): Promise<void> {
  const others = (await containersOf(engine, failed, signal)).filter(
    (container) => generationOf(container) < generation && !isKept(container),
  )
  await Promise.all(others.map(({ id }) => removeContainer(engine, id)))
}
