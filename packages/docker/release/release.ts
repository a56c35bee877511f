import type { ReleaseOrder, Verdict } from '@taxiway/domain/environment/release.ts'
import type { Work } from '@taxiway/domain/environment/work.ts'
import { done, type Outcome, refuse } from '@taxiway/domain/reason.ts'
import type { RegistryAuth } from '@taxiway/registry/call.ts'
import type { Engine } from '../engine/engine.ts'
import { label } from '../engine/labels.ts'
import type { ProxyClient } from '../proxy/control.ts'
import { containersOf, generationOf, keyOf, type Place, startOne, wantedOf } from './container.ts'
import { waitReady } from './readiness.ts'
import type { MachineState, StateFile } from './state.ts'
import { readTemplates } from './template.ts'
import type { Plan } from './workload.ts'

/** What a docker target is made from. */
export interface DockerTargetOptions {
  engine: Engine
  /** Folder of the record of ports and generations. */
  stateFolder: string
  /** Address that services answer on: 127.0.0.1 when not given. */
  host?: string
  /** By registry host, asked for as they are needed. */
  registryAuths?: () => Promise<Record<string, RegistryAuth>>
  /** Hears of every image that a release is given, and whether it was pulled for it. */
  onImage?: (image: string, wasPulled: boolean) => Promise<void>
}
/** What the target works with. */
export interface Machine extends DockerTargetOptions {
  state: StateFile
  proxy: ProxyClient
}

/** The newest generation of an environment, by the record and by what is there. 0: none. */
export async function newest(
  { engine, state }: Machine,
  place: Place,
  signal: AbortSignal,
): Promise<{ generation: number; runId: string }> {
  const recorded = (await state.read()).environments[keyOf(place)]
  const found = (await containersOf(engine, place, signal)).map((container) => ({
    generation: generationOf(container),
    runId: container.labels[label.run] ?? '',
  }))
  const all = [...(recorded ? [recorded] : []), ...found]
  return all.reduce((best, one) => (one.generation > best.generation ? one : best), { generation: 0, runId: '' })
}

/** Records that this generation is the newest; what serves stays. */
export function claim(
  { state }: Machine,
  place: Place,
  { generation, runId }: Pick<ReleaseOrder, 'generation' | 'runId'>,
): Promise<Outcome<void>> {
  return state.change(({ environments }) => {
    const live = environments[keyOf(place)]
    if (live && live.generation > generation) return refuse('stale_generation', { generation, live: live.generation })
    environments[keyOf(place)] = { serving: 0, ...live, generation, runId }
    return done(undefined)
  })
}

/** `stale_generation` when something newer than this generation was applied. */
export async function checkNewest({ state }: Machine, place: Place, generation: number): Promise<Outcome<void>> {
  const live = (await state.read()).environments[keyOf(place)]?.generation ?? 0
  return live > generation ? refuse('stale_generation', { generation, live }) : done(undefined)
}

/** Waits for the containers of an order that was applied, while nothing newer than `generation` comes. */
export async function awaitReady(
  machine: Machine,
  order: ReleaseOrder,
  plan: Plan,
  generation: number,
  work: Work,
): Promise<Outcome<Verdict>> {
  const readiness = {
    engine: machine.engine,
    start: (wanted: Parameters<typeof startOne>[2]) => startOne(machine, order, wanted, plan, work),
    checkNewest: () => checkNewest(machine, order, generation),
  }
  return waitReady(readiness, wantedOf(order, plan, await readTemplates(machine, order)), work)
}

/** Services of the plan, each on the port that it had. */
export function putServices(record: MachineState, place: Place, plan: Plan): void {
  for (const { service, workload, port } of plan.services) {
    const key = `${keyOf(place)}/${service}`
    const probe = plan.workloads.find(({ name }) => name === workload)?.probe
    if (probe) record.services[key] = { port: record.services[key]?.port ?? 0, workload, containerPort: port, probe }
  }
}
