import type { Pod, Probe } from '../object.ts'
import type { Event } from './events.ts'
import { isAbout, timeOf } from './events.ts'

type ProbeName = 'Readiness' | 'Liveness' | 'Startup'

/** What a probe last answered, in few words: `HTTP 500 from /healthz`. Undefined when it was not told. */
export function probeAnswer(
  pod: Pod,
  events: readonly Event[],
  names: readonly ProbeName[],
): { container: string; probe: ProbeName; answer: string } | undefined {
  const told = new RegExp(`^(${names.join('|')}) probe (failed|errored)\\S*\\s*([^]*)$`)
  for (const event of events.toReversed()) {
    const match = event.reason === 'Unhealthy' ? told.exec(event.message) : null
    if (!match) continue
    const container = pod.spec.containers.find(({ name }) => isAbout(event, name)) ?? pod.spec.containers[0]
    if (!container) return undefined
    const probe = match[1] as ProbeName
    const field = { Readiness: 'readinessProbe', Liveness: 'livenessProbe', Startup: 'startupProbe' } as const
    return { container: container.name, probe, answer: inWords(match[3] ?? '', container[field[probe]] ?? {}) }
  }
  return undefined
}

function inWords(said: string, { httpGet, tcpSocket, exec, timeoutSeconds = 1 }: Probe): string {
  const path = httpGet?.path ?? '/'
  const port = httpGet?.port ?? tcpSocket?.port
  const status = /HTTP probe failed with statuscode: (\d+)/.exec(said)?.[1]
  if (status) return `HTTP ${status} from ${path}`
  if (/connection refused/.test(said)) return `nothing listens on port ${port ?? '(unknown)'}`
  if (/Client\.Timeout|deadline exceeded|i\/o timeout|timed out/.test(said))
    return `no answer from ${httpGet ? path : exec ? 'its command' : `port ${port}`} within ${timeoutSeconds} s`
  if (exec) return `its command says ${said.trim() || 'nothing and fails'}`
  return said.trim() || 'no answer'
}

/** The probe that a pod has not passed, in few words, for when nothing was told of its answers. */
export function readinessOf({ spec, status }: Pod): string {
  const waiting = spec.containers.find(
    ({ name }) => !status?.containerStatuses?.find((one) => one.name === name)?.ready,
  )
  const { httpGet, tcpSocket, exec } = waiting?.readinessProbe ?? {}
  const what = httpGet
    ? ` (${httpGet.path ?? '/'} on port ${httpGet.port})`
    : tcpSocket
      ? ` (port ${tcpSocket.port})`
      : exec
        ? ' (a command)'
        : ''
  return `its readiness probe${what}`
}

/** The probe by which the container was killed while it ran from `startedAt` to `finishedAt`, if one did. */
export function killingProbe(
  events: readonly Event[],
  container: string,
  { startedAt = '', finishedAt = '' }: { startedAt?: string; finishedAt?: string },
): 'Liveness' | 'Startup' | undefined {
  const killing = events.findLast(
    (event) =>
      event.reason === 'Killing' && isAbout(event, container) && /failed (liveness|startup) probe/.test(event.message),
  )
  // Times are whole seconds; the end may be told a moment before the event.
  const at = Date.parse(killing ? timeOf(killing) : '')
  if (!killing || at < Date.parse(startedAt) - 1000 || at > Date.parse(finishedAt) + 2000) return undefined
  return /startup/.test(killing.message) ? 'Startup' : 'Liveness'
}
