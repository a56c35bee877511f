import type { TargetPlace } from '@taxiway/domain/environment/target.ts'
import type { Work } from '@taxiway/domain/environment/work.ts'
import { done, type Outcome, refuse } from '@taxiway/domain/reason.ts'
import { stopContainer } from '../container/release-container.ts'
import { networksWith, removeNetwork } from '../engine/network.ts'
import { containersOf, keyOf, labelsOf } from './container.ts'
import { type Machine, newest } from './release.ts'

/** What nobody asks for any more has no more than this. */
const longestMs = 5_000

/**
 * Removes an environment from the machine: its addresses first, then its containers and networks. Its generation stays on the
 * record, so that what is older stays older.
 */
export async function remove(
  machine: Machine,
  place: TargetPlace,
  stillHeld: () => Promise<boolean>,
  { signal }: Work,
): Promise<Outcome<void>> {
  const { engine, state, proxy } = machine
  const { generation } = await newest(machine, place, signal)
  if (!(await stillHeld())) return refuse('removal_overtaken', { what: `Environment ${place.environment}` })
  await state.change(({ environments, services }) => {
    for (const key of Object.keys(services)) if (key.startsWith(`${keyOf(place)}/`)) delete services[key]
    if (generation > 0) environments[keyOf(place)] = { generation, runId: '', serving: 0 }
  })
  await proxy.reconcile()
  const containers = await containersOf(engine, place, signal)
  await Promise.all(containers.map(({ id }) => stopContainer(engine, id, Math.min(engine.stopMs, longestMs))))
  for (const network of await networksWith(engine, labelsOf(place), signal)) await removeNetwork(engine, network)
  return done(undefined)
}
