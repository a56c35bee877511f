import { createHash } from 'node:crypto'
import type { Observed, ReleaseOrder } from '@taxiway/domain/environment/release.ts'
import { conditionOf, type PodState, type WorkloadState } from '@taxiway/domain/environment/state.ts'
import type { Follow } from '@taxiway/domain/environment/target.ts'
import { done, type Outcome } from '@taxiway/domain/reason.ts'
import type { ContainerView } from '../container/release-container.ts'
import { pause } from '../engine/engine.ts'
import { containersOf, isOf, keyOf, type Wanted, wantedOf, workloadOf } from './container.ts'
import { type Machine, newest } from './release.ts'
import { readTemplates, servingTemplates } from './template.ts'
import { readObjects } from './workload.ts'

const lookEveryMs = 5_000

/** What is there of a live release: the containers of the generation that serves. */
export async function readState(
  machine: Machine,
  order: ReleaseOrder,
  signal: AbortSignal,
): Promise<Outcome<Observed>> {
  const plan = readObjects(order.objects, order.secrets)
  if (!plan.ok) return plan
  const { generation, runId } = await newest(machine, order, signal)
  const wanted = wantedOf(order, plan.value, await readTemplates(machine, order))
  const containers = await servingOf(machine, order, signal)
  const workloads = plan.value.workloads.map(({ name, replicas, image }): WorkloadState => {
    const own = containers.filter((container) => workloadOf(container) === name)
    const ready = own.filter(({ state }) => state === 'running').length
    const condition = conditionOf(replicas, ready)
    const wrong = own.find(({ state }) => state !== 'running')
    const why = wrong ? `a container is ${wrong.state}, exit ${wrong.exitCode}` : 'containers are missing'
    return {
      kind: kindOf(order, name),
      name,
      condition,
      ...(condition === 'healthy' ? {} : { detail: why }),
      wanted: replicas,
      ready,
      images: [image],
      ...(own.length > 0 ? { runId: order.runId, sha: order.sha } : {}),
      pods: own.map((container) => podState(container, order)),
    }
  })
  return done({ generation, runId, workloads, prints: printsOf(order, wanted, containers) })
}

/** The engine is asked now and again: its events say little that its containers don't. */
export function follow(signal: AbortSignal): Follow {
  const closed = new AbortController()
  const ended = AbortSignal.any([closed.signal, signal])
  return {
    rung: (forMs) => pause(Math.min(forMs, lookEveryMs), ended).catch(() => undefined),
    close: () => closed.abort(),
  }
}

/** Containers of what serves, those too that a release took over from the one before. */
export async function servingOf(
  { engine, state }: Machine,
  order: ReleaseOrder,
  signal: AbortSignal,
): Promise<ContainerView[]> {
  const environment = (await state.read()).environments[keyOf(order)]
  const templates = environment ? servingTemplates(environment) : {}
  return (await containersOf(engine, order, signal)).filter((container) => isOf(container, templates))
}

const kindOf = ({ objects }: ReleaseOrder, name: string): string =>
  objects.find(
    ({ kind, metadata }) => metadata.name === name && ['Deployment', 'StatefulSet', 'DaemonSet'].includes(kind),
  )?.kind ?? 'Deployment'

/** A workload's fingerprint is made of the containers that it should have and has. */
function printsOf(order: ReleaseOrder, wanted: Wanted[], containers: ContainerView[]): Map<string, string> {
  const prints = new Map<string, string>()
  for (const name of new Set(wanted.map(({ workload }) => workload.name))) {
    const own = wanted
      .filter(({ workload }) => workload.name === name)
      .map((one) => containers.find((container) => container.name === one.name))
      .map((container) => (container ? [container.id, container.image] : []))
    const told = createHash('sha256').update(JSON.stringify(own)).digest('base64url').slice(0, 22)
    prints.set(`${kindOf(order, name)}/${name}`, told)
  }
  return prints
}

const podState = (
  { name, state, restarts, startedAt, exitCode, oomKilled }: ContainerView,
  { runId }: ReleaseOrder,
): PodState => ({
  name,
  phase: state,
  ready: state === 'running',
  restarts,
  startedAt,
  runId,
  // The engine forgets how a container ended with its next start.
  ...(state === 'running' ? {} : { lastExit: { code: exitCode, ...(oomKilled ? { reason: 'OOMKilled' } : {}) } }),
})
