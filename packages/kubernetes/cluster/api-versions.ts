import { done, type Outcome } from '@taxiway/domain/reason.ts'
import { type Cluster, type Wait, waitFor } from './call.ts'

interface Versions {
  versions?: string[]
}
interface Groups {
  groups?: { versions?: { groupVersion?: string }[] }[]
}
interface Resources {
  resources?: { name?: string; kind?: string }[]
}
/** An extension of the API that is away does not hold up what does not ask for it. */
const patienceMs = 3_000
const atOnce = 8

/**
 * What the API knows now, in the words of Helm's `.Capabilities.APIVersions`: `apps/v1` and `apps/v1/Deployment`
 * (https://kubernetes.io/docs/reference/using-api/api-concepts/, unaggregated discovery, which every version answers).
 */
export async function apiVersions(cluster: Cluster, wait: Wait): Promise<Outcome<string[]>> {
  const core = await cluster.call<Versions>({ method: 'GET', path: '/api' }, wait)
  if (!core.ok) return core
  const named = await cluster.call<Groups>({ method: 'GET', path: '/apis' }, wait)
  if (!named.ok) return named
  const versions = [
    ...(core.value.body.versions ?? []),
    ...(named.value.body.groups ?? [])
      .flatMap((group) => group.versions ?? [])
      .flatMap((one) => one.groupVersion ?? []),
  ]
  const known: string[] = []
  for (let at = 0; at < versions.length; at += atOnce) {
    const some = versions.slice(at, at + atOnce)
    known.push(...(await Promise.all(some.map((version) => kindsOf(cluster, version, wait)))).flat())
  }
  return done(known)
}

async function kindsOf(cluster: Cluster, version: string, wait: Wait): Promise<string[]> {
  const path = version.includes('/') ? `/apis/${version}` : `/api/${version}`
  const short = waitFor(Math.min(patienceMs, wait.untilMs - performance.now()), wait)
  const answer = await cluster.call<Resources>({ method: 'GET', path, may403: true }, short)
  if (!answer.ok || answer.value.status !== 200) return [version]
  const kinds = (answer.value.body.resources ?? []).filter(({ name }) => name && !name.includes('/'))
  return [version, ...new Set(kinds.map(({ kind }) => `${version}/${kind}`))]
}
