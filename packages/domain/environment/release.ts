import Type from 'typebox'
import Value from 'typebox/value'
import type { RunId } from '../ids.ts'
import type { Strategy } from '../plan/strategy.ts'
import type { Reason } from '../reason.ts'
import type { JobTurn, ReleaseState } from '../run/parts.ts'
import type { Run } from '../run/run.ts'
import type { DriftMode } from './drift.ts'
import type { Explanation } from './explanation.ts'
import type { WorkloadState } from './state.ts'

/** One object of a manifest after rendering: plain JSON, kept in the record as it is. */
export interface RenderedObject {
  apiVersion: string
  kind: string
  metadata: {
    name: string
    namespace?: string
    labels?: Record<string, string>
    annotations?: Record<string, string>
    [key: string]: unknown
  }
  [key: string]: unknown
}
const words = Type.Record(Type.String(), Type.String())
const ObjectSchema = Type.Unsafe<RenderedObject>(
  Type.Object({
    apiVersion: Type.String(),
    kind: Type.String(),
    metadata: Type.Object({
      name: Type.String(),
      namespace: Type.Optional(Type.String()),
      labels: Type.Optional(words),
      annotations: Type.Optional(words),
    }),
  }),
)
const StrategySchema = Type.Unsafe<Strategy>(
  Type.Object({
    kind: Type.Enum(['canary', 'blue_green']),
    analysis: Type.Array(Type.Object({ kind: Type.Enum(['http', 'prometheus', 'job']) })),
    timeoutMs: Type.Number(),
  }),
)
const SecretSet = Type.Object({ name: Type.String(), keys: Type.Array(Type.String()) })
/** Some secrets of the repository under a name of their own: what is given under it never changes. */
export type SecretSet = Type.Static<typeof SecretSet>

const Order = Type.Object({
  repositoryId: Type.String(),
  repositoryName: Type.String({ description: 'owner/name' }),
  environment: Type.String(),
  namespace: Type.String(),
  cluster: Type.Optional(Type.String({ description: 'The cluster that was named for it, if one was.' })),
  preview: Type.Optional(Type.Integer({ description: 'Number of the pull request that it is the preview of.' })),
  pods: Type.Optional(
    Type.Enum(['restricted', 'as_written'], {
      description: 'An admin ruled that its pods are restricted, or left as they are written.',
    }),
  ),
  runId: Type.String(),
  sha: Type.String(),
  adopt: Type.Optional(
    Type.Array(Type.String(), {
      description:
        'An admin wants what others made taken over, and what these (<repository id>/<environment>), which are no more, left behind.',
    }),
  ),
  generation: Type.Integer({ description: 'Larger than that of every release before it in this environment.' }),
  objects: Type.Array(ObjectSchema),
  digests: Type.Array(Type.String(), {
    description: 'References with digest (registry/prefix/name@sha256:…) that the run built and the objects use.',
  }),
  /** By which steps it takes over; a target that can't carry them refuses it. Default: at once, as the target does. */
  strategy: Type.Optional(StrategySchema),
  restarts: Type.Optional(
    Type.Integer({ description: 'So often a container may be started again; without it, as long as there is time.' }),
  ),
  /** What pods are given of the repository's secrets: names only, values are asked for when they are needed. */
  secrets: Type.Optional(Type.Array(SecretSet)),
})
/** What an environment is to be given. Plain JSON: stored with the release, and enough to give it again. */
export interface ReleaseOrder extends Type.Static<typeof Order> {
  /** Only the objects whose turn has come by then (see waves.ts); all without it. Not stored. */
  upTo?: number
}

/** Of the form in which orders are stored: its objects by the names that they are kept under. In the first they stand in it. */
const orderVersion = 2

/** An order as it is stored. @param nameOf keeps an object, which many releases may have, and names it */
export const toStored = ({ upTo: _, ...order }: ReleaseOrder, nameOf: (object: RenderedObject) => string): object => ({
  ...order,
  objects: order.objects.map(nameOf),
  version: orderVersion,
})

/** The order that was stored. @throws when it is of a version after this one's, or is none */
export function fromStored(stored: unknown, named: (name: string) => unknown): ReleaseOrder {
  const { version = 1, ...order } = Object(stored)
  if (version > orderVersion) throw new Error(`the stored order is of version ${version}, not ${orderVersion}`)
  if (version === orderVersion) order.objects = namesIn(stored).map(named)
  if (Value.Check(Order, order)) return order
  const [first] = Value.Errors(Order, order)
  throw new Error(`the stored order is not valid: ${first?.instancePath} ${first?.message}`)
}

/** The names of the objects of a stored order. */
export function namesIn(stored: unknown): string[] {
  const { objects } = Object(stored)
  return Array.isArray(objects) ? objects.filter((name) => typeof name === 'string') : []
}

/** What stands where an object of a release goes, and was made by others. */
export interface FoundObject {
  /** As it can be given again. */
  object: RenderedObject
  /** The same for a diff: without what the server would fill in for the release as well. */
  shown: RenderedObject
  /** Who wrote it, in the words of the server. */
  by: string
  /** The environment whose marks it bears: `<repository id>/<environment>`. */
  owner?: string
  /** Who goes on to take it for theirs: `Helm release shop`. */
  keptBy?: string
}

/** Commands that run once for a release: a Job as the cluster would have it, with a name that no other run's has. */
export interface ReleaseJob {
  name: string
  when: JobTurn
  object: RenderedObject
  timeoutMs: number
  /** Ended so, it stays where it ran until the next run's. */
  keeps?: readonly ('passed' | 'failed')[]
  /** Objects of the release that must be there before it runs. */
  needs?: readonly RenderedObject[]
}
/** How a job ended. `detail` is half a sentence: `exit 3`, `it ran longer than 60 s`. */
export type JobEnd = { passed: true } | { passed: false; detail: string }
/** Takes the output of a job as it comes; a promise holds it back. */
export type OnOutput = (chunk: Buffer) => void | Promise<void>

/**
 * What watching came to. `detail` is one sentence without a full stop: `web: crash loop, exit 1: DATABASE_URL missing`; the
 * explanation holds all that is known. Neither is masked yet.
 */
export type Verdict = { healthy: true; ready: string } | { healthy: false; detail: string; explanation?: Explanation }

/** A release that is live. */
export interface LiveRelease {
  /** As it was stored when it became so; the generation in it is that of its first roll-out. */
  order: ReleaseOrder
  /** Under which it is live now: a restored release has another than its order. */
  generation: number
  /** `Kind/name` -> replicas that a person chose since. */
  byHand: Readonly<Record<string, number>>
  drift: DriftMode
}

/** What is there of a live release. */
export interface Observed {
  /** Of the release that the target was given last; 0: none. */
  generation: number
  runId: string
  workloads: WorkloadState[]
  /** `Kind/name` of what is there -> a fingerprint of all that should not change by itself. */
  prints: ReadonlyMap<string, string>
}

/** The order with the replicas that people chose. */
export const chosen = ({ order, byHand }: LiveRelease): ReleaseOrder => ({
  ...order,
  objects: order.objects.map((object) => {
    const replicas = byHand[`${object.kind}/${object.metadata.name}`]
    return replicas === undefined ? object : { ...object, spec: { ...(object.spec as object), replicas } }
  }),
})

/** The object of the order that is named `Kind/name`. */
export const objectOf = ({ order }: LiveRelease, name: string): RenderedObject | undefined =>
  order.objects.find(({ kind, metadata }) => `${kind}/${metadata.name}` === name)

/** A release as it is listed: without an order if what was stored can't be read, which its reason says. */
export type ListedRelease = Omit<Release, 'order'> & { order?: ReleaseOrder }

/** What an environment was given: enough to give it again. */
export interface Release {
  runId: RunId
  sequence: number
  sha: string
  generation: number
  state: ReleaseState
  target: string
  order: ReleaseOrder
  /** What becomes of changes by hand; missing: they are reported. */
  drift?: DriftMode
  /** When it came to this state. */
  at?: string
  /** What brought it: the event of its run, that a failed release was taken back, that others had made it, or that it was read from the cluster. */
  event?: Run['event'] | 'restore' | 'adopt' | 'recovered'
  runNumber?: number
  /** Who asked for it, or wrote the commit. */
  who?: string
  approvedBy?: string
  reason?: Reason
  /** Where people find it, as the pipeline file says. */
  url?: string
  /** The earlier generation whose objects it has. */
  repeats?: number
  /** What was wrong with it while it was live, when the release after it began. */
  down?: string
}
