import { createHash } from 'node:crypto'
import type { Observed, ReleaseOrder } from '@taxiway/domain/environment/release.ts'
import { conditionOf, type PodState, type WorkloadState } from '@taxiway/domain/environment/state.ts'
import type { Follow } from '@taxiway/domain/environment/target.ts'
import { done, type Outcome } from '@taxiway/domain/reason.ts'
import type { ContainerView } from '../container/release-container.ts'
import { pause } from '../engine/engine.ts'
import { label } from '../engine/labels.ts'
import { containersOf, generationOf, keyOf, wantedOf, workloadOf } from './container.ts'
import { type Machine, newest } from './release.ts'
import { type Plan, readObjects } from './workload.ts'

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
      ...(own[0] ? { runId: own[0].labels[label.run] ?? '', sha: order.sha } : {}),
      pods: own.map(podState),
    }
  })
  return done({ generation, runId, workloads, prints: printsOf(order, plan.value, containers) })
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

/** Containers of the generation that serves; a restored release keeps the generation under which it was started. */
export async function servingOf(
  { engine, state }: Machine,
  order: ReleaseOrder,
  signal: AbortSignal,
): Promise<ContainerView[]> {
  const serving = (await state.read()).environments[keyOf(order)]?.serving ?? order.generation
  return (await containersOf(engine, order, signal)).filter((container) => generationOf(container) === serving)
}

const kindOf = ({ objects }: ReleaseOrder, name: string): string =>
  objects.find(
    ({ kind, metadata }) => metadata.name === name && ['Deployment', 'StatefulSet', 'DaemonSet'].includes(kind),
  )?.kind ?? 'Deployment'

/** A workload's fingerprint is made of the containers that it should have and has. */
function printsOf(order: ReleaseOrder, plan: Plan, containers: ContainerView[]): Map<string, string> {
  const prints = new Map<string, string>()
  for (const { name } of plan.workloads) {
    const own = wantedOf(order, plan)
      .filter(({ workload }) => workload.name === name)
      .map((wanted) => containers.find((container) => container.name === wanted.name))
      .map((container) => (container ? [container.id, container.image] : []))
    const told = createHash('sha256').update(JSON.stringify(own)).digest('base64url').slice(0, 22)
    prints.set(`${kindOf(order, name)}/${name}`, told)
  }
  return prints
}

const podState = ({ name, state, restarts, startedAt, labels, exitCode, oomKilled }: ContainerView): PodState => ({
  name,
  phase: state,
  ready: state === 'running',
  restarts,
  startedAt,
  ...(labels[label.run] ? { runId: labels[label.run] } : {}),
  // The engine forgets how a container ended with its next start.
  ...(state === 'running' ? {} : { lastExit: { code: exitCode, ...(oomKilled ? { reason: 'OOMKilled' } : {}) } }),
})
