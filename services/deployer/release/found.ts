import { kindName } from '@taxiway/domain/cluster/kinds.ts'
import type { FoundObject, ReleaseOrder } from '@taxiway/domain/environment/release.ts'
import type { Target } from '@taxiway/domain/environment/target.ts'
import type { Work } from '@taxiway/domain/environment/work.ts'
import { done, type Outcome } from '@taxiway/domain/reason.ts'
import type { RollOut } from '../roll-out.ts'
import { isSamePlace } from './way-back.ts'

const nameOf = (object: FoundObject['object']): string => `${kindName(object)}/${object.metadata.name}`

/**
 * What others made of what the order has. Where an admin wants it taken over, environments that are no more give way: the order
 * names them from then on. Those that are there keep what is theirs, and the target refuses it.
 */
export async function findOthers(
  { store }: Pick<RollOut['deps'], 'store'>,
  target: Target,
  order: ReleaseOrder,
  work: Work,
): Promise<Outcome<FoundObject[]>> {
  const found = (await target.found?.(order, work)) ?? done([])
  if (!found.ok || !order.adopt) return found
  const owners = [...new Set(found.value.flatMap(({ owner }) => owner ?? []))]
  for (const owner of owners) if (!(await store.environments.isKnown(owner))) order.adopt.push(owner)
  return found
}

/**
 * Before anything is applied, what others made and the release changes is kept: with the release that is live, else as release 0.
 * So a release that fails goes back to it, and does not take it away.
 */
export async function keepFound({ stage: { run, log }, deps, target, order, found }: RollOut): Promise<void> {
  if (found.length === 0) return
  const { releases } = deps.store
  const live = await releases.live(run.repo, deps.environment.name)
  const at = deps.store.now().toISOString()
  if (live && isSamePlace(live.order, order)) {
    await releases.save(run.repo, deps.environment.name, { ...live, order: withFound(live.order, found) })
  } else {
    const first = withFound({ ...order, generation: 0, sha: '', digests: [], objects: [] }, found)
    const { strategy: _, secrets: __, ...was } = first
    const history = { event: 'adopt' as const, who: run.asked?.who ?? run.author, runNumber: run.number }
    const record = { runId: run.id, sequence: run.sequence, sha: '', generation: 0, target: target.kind, ...history }
    await releases.save(run.repo, deps.environment.name, { ...record, state: 'live', at, order: was })
  }
  for (const { object, by, keptBy } of found) {
    if (order.adopt) log.say(`${nameOf(object)} is taken over from ${by}`)
    if (order.adopt && keptBy)
      log.say(`  ${keptBy} still takes it for its own: have it forget the object without deleting it`)
  }
}

/** The order with what was found, but for what it has already: an earlier try has noted that as it was. */
function withFound(order: ReleaseOrder, found: readonly FoundObject[]): ReleaseOrder {
  const known = new Set(order.objects.map(nameOf))
  return {
    ...order,
    objects: [...order.objects, ...found.map(({ object }) => object).filter((one) => !known.has(nameOf(one)))],
  }
}
