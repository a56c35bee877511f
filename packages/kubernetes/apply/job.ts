import { createHash } from 'node:crypto'
import { jobHealth } from '../health/health.ts'
import { type ClusterRelease, type KubeObject, keys } from '../object.ts'

// A Job can't be changed. One that is the same as before has done its work and is left alone; another takes its place.

/** Annotation of a Job: what it was made of. */
const madeOf = 'taxiway.dev/made-of'
const marks: readonly string[] = [keys.run, keys.sha, keys.generation, madeOf]

/** A Job as it is sent, with what it is made of; any other object as it is. */
export const marked = (object: KubeObject): KubeObject =>
  object.kind === 'Job'
    ? {
        ...object,
        metadata: {
          ...object.metadata,
          annotations: { ...object.metadata.annotations, [madeOf]: fingerprint(object) },
        },
      }
    : object

/** Is it the Job of an earlier run, made of the same, that has not failed? Then it is not made a second time. */
export const isLeftAlone = (live: KubeObject, object: KubeObject, release: Pick<ClusterRelease, 'runId'>): boolean =>
  isOfOther(live, release) &&
  live.metadata.annotations?.[madeOf] === fingerprint(object) &&
  jobHealth(live.status ?? {}).state !== 'failed'

/** Does another Job of this name have to go first? */
export const isReplaced = (live: KubeObject, object: KubeObject, release: Pick<ClusterRelease, 'runId'>): boolean =>
  isOfOther(live, release) && !isLeftAlone(live, object, release)

/** Has it ended, one way or the other? */
export const isOver = (live: KubeObject): boolean => jobHealth(live.status ?? {}).state !== 'progressing'

/** Of an earlier run, not of somebody else. */
function isOfOther({ kind, metadata }: KubeObject, { runId }: Pick<ClusterRelease, 'runId'>): boolean {
  const run = metadata.annotations?.[keys.run]
  return kind === 'Job' && run !== undefined && run !== runId
}

/** The same for Jobs that do the same, whoever's release and generation they are of, and in whatever order it is written. */
function fingerprint({ metadata, spec }: KubeObject): string {
  const told = JSON.stringify([metadata.labels, metadata.annotations, spec], (key, value) =>
    marks.includes(key) ? undefined : sorted(value),
  )
  return createHash('sha256').update(told).digest('hex').slice(0, 16)
}

const sorted = (value: unknown): unknown =>
  typeof value === 'object' && value !== null && !Array.isArray(value)
    ? Object.fromEntries(Object.entries(value).sort(([a], [b]) => (a < b ? -1 : 1)))
    : value
