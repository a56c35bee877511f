import type { Answer, Call, Status } from './call.ts'

/** What is known of a group is asked for anew when it is older than this: a cluster may have been upgraded. */
const keptMs = 60_000

/**
 * Objects outlive the version of their kind under which they were made: after an upgrade they are read, listed and deleted under
 * the one that the cluster prefers now. Writes are not: what a manifest says may mean something else there.
 * @returns what sends a call, and once more where its version is served no more
 */
export function makeServed(
  send: (call: Call, signal: AbortSignal) => Promise<Answer>,
  now = () => performance.now(),
): (call: Call, signal: AbortSignal) => Promise<Answer> {
  const groups = new Map<string, { served: string[]; atMs: number }>()
  const versionsOf = async (group: string, signal: AbortSignal): Promise<string[]> => {
    const known = groups.get(group)
    if (known && now() - known.atMs < keptMs) return known.served
    const answer = await send({ method: 'GET', path: `/apis/${group}` }, signal)
    const { preferredVersion, versions = [] } = (answer.status === 200 ? answer.body : {}) as Group
    const served = [...(preferredVersion ? [preferredVersion] : []), ...versions].map(({ version }) => version)
    if (answer.status === 200) groups.set(group, { served, atMs: now() })
    return served
  }
  return async (call, signal) => {
    const answer = await send(call, signal)
    if (answer.status !== 404 || !['GET', 'DELETE'].includes(call.method) || isOfObject(answer)) return answer
    const [, group, version, rest] = /^\/apis\/([^/]+)\/([^/]+)(\/namespaces\/.*)$/.exec(call.path) ?? []
    if (!group || !version) return answer
    const served = await versionsOf(group, signal)
    const [other] = served
    if (other === undefined || served.includes(version)) return answer
    return send({ ...call, path: `/apis/${group}/${other}${rest}` }, signal)
  }
}

interface Group {
  preferredVersion?: { version: string }
  versions?: { version: string }[]
}

/** Is it an object that there is none of, rather than a path that leads nowhere? */
const isOfObject = ({ body }: Answer): boolean => (Object(body) as Status).details?.name !== undefined
