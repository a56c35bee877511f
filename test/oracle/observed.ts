import type Docker from 'dockerode'
import type { Redis } from 'ioredis'
import type { startGitHost } from '../git-host/server.ts'
import type { Taxiway } from '../world/taxiway.ts'

/** What a test has none of, and why that is so. */
export interface Absent {
  absent: string
}
export type Part<T> = T | Absent
export const isAbsent = (part: unknown): part is Absent =>
  typeof part === 'object' && part !== null && 'absent' in part && typeof part.absent === 'string'

/** What the oracle looks at. */
export interface Observed {
  /** With its API running. */
  taxiway: Taxiway
  /** Those of this test: nothing is asked about others on the same Redis, engine and cluster. */
  repositories: readonly { id: string; name: string }[]
  /** Where pushes and statuses are. */
  host: Part<Awaited<ReturnType<typeof startGitHost>>>
  /** Delivery -> the run that it was answered with; the git host knows it of those that it sent. */
  acknowledged?: ReadonlyMap<string, string>
  engine: Part<Docker>
  /** Digests of what really runs in an environment, asked of the machine or the cluster itself. */
  running: Part<(environment: string) => Promise<string[]>>
  /** Values that may stand nowhere. */
  secrets: readonly string[]
  /** Run -> why it may be open still. */
  open?: Readonly<Record<string, string>>
}

/** A run as the API tells it. */
export interface SeenRun {
  id: string
  number: number
  sequence: number
  repo: string
  repository: string
  event: string
  sha: string
  branch?: string
  tag?: string
  pullRequest?: { number: number }
  trusted?: boolean
  state: string
  url: string
  attempt: number
  reason?: { code: string; message: string }
  notes?: { code: string }[]
  asked?: object
  stages: { name: string; environment?: string; state: string }[]
  images: { name: string; reference?: string }[]
  tests?: { name: string; state: string }[]
  jobs?: { name: string; state: string }[]
  releases: { environment: string; generation: number; state: string }[]
}

/** One look: the runs of all repositories, newest first, and what else the questions share. */
export interface Look extends Observed {
  runs: SeenRun[]
  redis: Redis
  /** May the run be open? */
  mayBeOpen(run: SeenRun): boolean
}

/** One of the seven questions. @returns what is not as it should be, one sentence each */
export type Question = (look: Look) => Promise<string[]>

export const nameOf = ({ repository, number, id }: SeenRun): string => `run #${number} of ${repository} (${id})`
export const terminalStates = ['succeeded', 'failed', 'errored', 'cancelled', 'superseded']

/** Is a process of that role alive? */
export const isServed = ({ processes }: Taxiway, role: string): boolean =>
  processes.some(
    ({ child, roles }) =>
      child.exitCode === null && child.signalCode === null && (roles.length === 0 || roles.includes(role)),
  )

/** All runs of a repository, newest first. */
export async function runsOf({ call }: Taxiway, { id }: { id: string }): Promise<SeenRun[]> {
  const runs: SeenRun[] = []
  for (let after = ''; ; ) {
    const { status, body } = await call('GET', `/runs?repo=${id}&limit=100${after}`)
    if (status !== 200) throw new Error(`the API does not list the runs of ${id}: ${JSON.stringify(body)}`)
    runs.push(...body.items)
    if (!body.next || body.items.length === 0) return runs
    after = `&after=${body.next}`
  }
}

/** All keys that a pattern matches. */
export async function keysLike(redis: Redis, pattern: string): Promise<string[]> {
  const found = new Set<string>()
  for await (const page of redis.scanStream({ match: pattern, count: 1000 }))
    for (const key of page as string[]) found.add(key)
  return [...found]
}
