import Type from 'typebox'
import { DriftState } from './drift.ts'

/** How an environment or a workload stands. */
export const conditions = ['healthy', 'degraded', 'down', 'unknown'] as const
export type Condition = (typeof conditions)[number]
const ConditionView = Type.Unsafe<Condition>(Type.Enum([...conditions] as string[]))

/** A pod, or a container of one machine, as it is seen. */
const PodState = Type.Object({
  name: Type.String(),
  phase: Type.String({ description: 'As the cluster says it, or why its container waits.' }),
  ready: Type.Boolean(),
  restarts: Type.Integer(),
  startedAt: Type.Optional(Type.String({ format: 'date-time' })),
  runId: Type.Optional(Type.String()),
  lastExit: Type.Optional(
    Type.Object({ code: Type.Integer(), reason: Type.Optional(Type.String()), at: Type.Optional(Type.String()) }),
  ),
})
export type PodState = Type.Static<typeof PodState>

/** What runs pods, as it is seen. */
const WorkloadState = Type.Object({
  kind: Type.String(),
  name: Type.String(),
  condition: ConditionView,
  detail: Type.Optional(Type.String({ description: 'Why it is not healthy.' })),
  wanted: Type.Integer({ description: 'Replicas that it shall have.' }),
  ready: Type.Integer(),
  images: Type.Array(Type.String(), { description: 'References with digest of its pods.' }),
  runId: Type.Optional(Type.String()),
  sha: Type.Optional(Type.String()),
  pods: Type.Array(PodState, { description: 'Those that are not ready come first.' }),
  podsLeftOut: Type.Optional(Type.Integer({ description: 'How many more there are.' })),
})
export type WorkloadState = Type.Static<typeof WorkloadState>

/** What a deployer saw of an environment when it looked last. */
const SeenState = Type.Object({
  condition: Type.Unsafe<Condition>(
    Type.Enum([...conditions] as string[], {
      description:
        'healthy: all replicas are ready. degraded: some are not. down: a workload has none that is. unknown: nobody can look.',
    }),
  ),
  detail: Type.Optional(Type.String()),
  since: Type.String({ format: 'date-time', description: 'Since when it is in this condition.' }),
  seenAt: Type.String({ format: 'date-time' }),
  generation: Type.Optional(Type.Integer({ description: 'Of the release that the target has.' })),
  workloads: Type.Array(WorkloadState),
  drift: Type.Optional(DriftState),
})
export type SeenState = Type.Static<typeof SeenState>

const Age = Type.Integer({ description: 'How long ago a deployer looked, in seconds.' })
/** The state of an environment as the API answers it. */
export const EnvironmentState = Type.Object({ ...SeenState.properties, ageSeconds: Age }, { $id: 'EnvironmentState' })
/** Only how it stands. */
export const EnvironmentCondition = Type.Pick(EnvironmentState, ['condition', 'detail', 'since', 'ageSeconds'])

/** Pods that are kept of one workload, and of all of an environment. */
const podsOfWorkload = 20
const podsOfAll = 200

/** The condition of a workload by its numbers; one that shall have no replicas is healthy. */
export const conditionOf = (wanted: number, ready: number): Condition =>
  ready >= wanted ? 'healthy' : ready === 0 ? 'down' : 'degraded'

/** The worst of its workloads is the condition of an environment. */
export function worst(workloads: readonly Pick<WorkloadState, 'condition'>[]): Condition {
  const order: Condition[] = ['down', 'unknown', 'degraded']
  return order.find((one) => workloads.some(({ condition }) => condition === one)) ?? 'healthy'
}

/** Keeps as many pods as are worth reading: those that are not ready first, then by name. */
export function boundPods(workloads: readonly WorkloadState[]): WorkloadState[] {
  let left = podsOfAll
  return workloads.map((workload) => {
    const sorted = workload.pods.toSorted(
      (a, b) => Number(a.ready) - Number(b.ready) || (a.name < b.name ? -1 : a.name > b.name ? 1 : 0),
    )
    const pods = sorted.slice(0, Math.min(podsOfWorkload, left))
    left -= pods.length
    const leftOut = sorted.length - pods.length
    return { ...workload, pods, ...(leftOut > 0 ? { podsLeftOut: leftOut } : {}) }
  })
}

/** A look older than this says nothing about now. */
export const staleAfterMs = 120_000

/** What is known of an environment at this time; an old look makes its condition unknown. */
export function stateAt(seen: SeenState, nowMs: number): Type.Static<typeof EnvironmentState> {
  const ageMs = Math.max(0, nowMs - Date.parse(seen.seenAt))
  const ageSeconds = Math.round(ageMs / 1000)
  if (ageMs <= staleAfterMs) return { ...seen, ageSeconds }
  const detail = `no deployer has looked for ${ageSeconds} s; start one`
  return { ...seen, condition: 'unknown', since: seen.seenAt, detail, ageSeconds }
}
