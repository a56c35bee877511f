import type { ReleaseOrder } from '@taxiway/domain/environment/release.ts'
import type { Work } from '@taxiway/domain/environment/work.ts'
import { done, type Outcome } from '@taxiway/domain/reason.ts'
import { containersOf, generationOf, isOf, keyOf, wantedOf, workloadOf } from './container.ts'
import type { Machine } from './release.ts'
import { retire } from './retire.ts'
import { readTemplates } from './template.ts'
import { readObjects } from './workload.ts'

/**
 * Removes the containers that a release replaced, and the workloads and services that it has no more: those stay with `none`,
 * and go on serving.
 */
export async function prune(
  machine: Machine,
  order: ReleaseOrder,
  { signal }: Work,
  how?: 'careful' | 'all' | 'none',
): Promise<Outcome<void>> {
  const { engine, state, proxy } = machine
  const plan = readObjects(order.objects, order.secrets)
  if (!plan.ok) return plan
  const { workloads, services } = plan.value
  const keptServices = new Set(services.map(({ service }) => `${keyOf(order)}/${service}`))
  const keptWorkloads = new Set(workloads.map(({ name }) => name))
  const isServing = await state.change((record) => {
    const environment = record.environments[keyOf(order)]
    if (environment?.serving !== order.generation) return false
    for (const key of how === 'none' ? [] : Object.keys(record.services))
      if (key.startsWith(`${keyOf(order)}/`) && !keptServices.has(key)) delete record.services[key]
    const templates = Object.entries(environment.templates?.[order.generation] ?? {})
    const kept = templates.filter(([name]) => how === 'none' || keptWorkloads.has(name))
    environment.templates = { [order.generation]: Object.fromEntries(kept) }
    return true
  })
  await proxy.reconcile()
  // What serves in its place has containers that this release does not know.
  if (!isServing) return done(undefined)
  const templates = await readTemplates(machine, order)
  const wanted = new Set(wantedOf(order, plan.value, templates).map(({ name }) => name))
  const isWanted = (name: string, workload = '') => wanted.has(name) || !keptWorkloads.has(workload)
  const old = (await containersOf(engine, order, signal)).filter(
    (container) =>
      generationOf(container) <= order.generation &&
      !(isOf(container, templates) && isWanted(container.name, workloadOf(container))),
  )
  await retire(machine, order, old, signal)
  return done(undefined)
}
