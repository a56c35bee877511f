import { setTimeout as sleep } from 'node:timers/promises'
import { done, type Outcome, refuse } from '@taxiway/domain/reason.ts'
import { fieldManager } from '../apply/ownership.ts'
import { type Cluster, messageOf, type Wait } from '../cluster/call.ts'
import { stale } from '../inventory.ts'
import {
  type ClusterRelease,
  generationOf,
  hashLabel,
  isNewer,
  type KubeObject,
  keys,
  pathOf,
  selectorOf,
} from '../object.ts'
import { besideKeys } from './beside.ts'

/** What a Service selects, and where it sends requests. */
export interface Aim {
  selector: Record<string, string>
  ports: unknown
}
type PodLabels = Readonly<Record<string, string>>

/** Annotations of a Service that was pointed elsewhere: its aim before, as JSON, and the run that did so. */
const aimBefore = 'taxiway.dev/aim-before'
const aimedBy = 'taxiway.dev/aimed-by'
const writeTries = 20
const pollMs = 100
/** For the proxies of the nodes to follow. */
const settleMs = 2_000

const service = (name?: string) => ({ apiVersion: 'v1', kind: 'Service', ...(name === undefined ? {} : { name }) })

/** The Services of an environment, as they are. */
export async function readServices(
  cluster: Cluster,
  release: ClusterRelease,
  wait: Wait,
): Promise<Outcome<KubeObject[]>> {
  const path = pathOf(release.namespace, service())
  const answer = await cluster.call<{ items?: KubeObject[] }>(
    { method: 'GET', path, query: { labelSelector: selectorOf(release) }, may403: true },
    wait,
  )
  if (!answer.ok) return answer
  const { status, body } = answer.value
  // Who may not look at them has not pointed any.
  if (status === 403) return done([])
  if (status !== 200) throw new Error(`could not list Services: ${status} ${messageOf(body)}`)
  return done((body.items ?? []).map((item) => ({ ...item, ...service() })))
}

/** What a Service aims at now. */
export function aimOf({ spec }: KubeObject): Aim {
  const { selector, ports } = (spec ?? {}) as { selector?: Record<string, string>; ports?: unknown }
  return { selector: selector ?? {}, ports }
}
/** What it aimed at before it was pointed elsewhere; what it aims at, when it was not. */
export function firstAimOf(live: KubeObject): Aim {
  const kept = live.metadata.annotations?.[aimBefore]
  if (kept !== undefined && pointedAt(live) !== 'all') return JSON.parse(kept)
  const { selector, ports } = aimOf(live)
  const { [hashLabel]: _, ...own } = selector
  return { selector: own, ports }
}

/** The run that pointed it elsewhere. */
export const pointedBy = (live: KubeObject): string | undefined => live.metadata.annotations?.[aimedBy]

/** Where a Service was pointed: at the pods of the old template, at the new ones beside them, or nowhere in particular. */
export function pointedAt(live: KubeObject): 'old' | 'green' | 'all' {
  const { selector } = aimOf(live)
  if (selector[besideKeys.beside] !== undefined) return 'green'
  return selector[hashLabel] === undefined ? 'all' : 'old'
}

/** Labels that a workload gives its pods. */
export const podLabelsOf = ({ spec }: KubeObject): PodLabels =>
  (spec as { template?: { metadata?: { labels?: PodLabels } } } | undefined)?.template?.metadata?.labels ?? {}

/** Does a selector select pods with these labels? An empty one selects none. */
export const selects = (selector: PodLabels, labels: PodLabels): boolean =>
  Object.keys(selector).length > 0 && Object.entries(selector).every(([key, value]) => labels[key] === value)

/**
 * Points a Service at other pods, in one write. What it aimed at first is kept with it, until it is given its own aim again
 * (`isOwn`). A newer release is left alone.
 */
export async function pointService(
  cluster: Cluster,
  release: ClusterRelease,
  name: string,
  aimed: (live: KubeObject) => Aim,
  { isOwn }: { isOwn: boolean },
  wait: Wait,
): Promise<Outcome<void>> {
  const path = pathOf(release.namespace, service(name))
  for (let tries = 0; tries < writeTries; tries++) {
    const read = await cluster.call<KubeObject>({ method: 'GET', path }, wait)
    if (!read.ok) return read
    if (read.value.status === 404) return done(undefined)
    const live = read.value.body
    const held = { generation: generationOf(live), runId: live.metadata.annotations?.[keys.run] }
    if (isNewer(held, release)) return stale(release, held.generation)
    const { selector, ports } = aimed(live)
    const dropped = Object.keys(aimOf(live).selector).filter((key) => !Object.hasOwn(selector, key))
    const body = {
      metadata: {
        resourceVersion: live.metadata.resourceVersion,
        annotations: {
          [aimBefore]: isOwn ? null : JSON.stringify(firstAimOf(live)),
          [aimedBy]: isOwn ? null : release.runId,
        },
      },
      spec: { selector: { ...selector, ...Object.fromEntries(dropped.map((key) => [key, null])) }, ports },
    }
    const contentType = 'application/merge-patch+json'
    const answer = await cluster.call({ method: 'PATCH', path, query: { fieldManager }, body, contentType }, wait)
    if (!answer.ok) return answer
    if (answer.value.status === 200) return done(undefined)
    if (answer.value.status !== 409 && answer.value.status !== 404)
      return refuse('manifest_invalid', { object: `Service/${name}`, detail: messageOf(answer.value.body) })
  }
  return refuse('manifest_conflict', { object: `Service/${name}`, detail: 'it changes faster than it can be pointed' })
}

interface Endpoints {
  subsets?: { addresses?: { targetRef?: { kind?: string; name?: string } }[] }[]
}

/** Waits until the pods that a Service sends requests to are as wanted, then a moment more. @returns false: not within the wait */
export async function awaitServing(
  cluster: Cluster,
  release: ClusterRelease,
  name: string,
  isWanted: (pods: string[]) => boolean,
  wait: Wait,
): Promise<Outcome<boolean>> {
  const path = `/api/v1/namespaces/${release.namespace}/endpoints/${name}`
  for (;;) {
    const answer = await cluster.call<Endpoints>({ method: 'GET', path }, wait)
    if (!answer.ok) return answer
    const addresses = (answer.value.body.subsets ?? []).flatMap((subset) => subset.addresses ?? [])
    if (isWanted(addresses.map(({ targetRef }) => targetRef?.name ?? ''))) break
    if (performance.now() + pollMs > wait.untilMs) return done(false)
    await sleep(pollMs, undefined, { signal: wait.signal })
  }
  await sleep(settleMs, undefined, { signal: wait.signal })
  return done(true)
}
