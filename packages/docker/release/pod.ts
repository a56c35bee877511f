import { availableParallelism } from 'node:os'
import { waveOf } from '@taxiway/domain/environment/waves.ts'
import { expand, readEnv, type Sources } from './env.ts'
import { type Findings, type Json, listOf } from './findings.ts'
import { megabytes, processors } from './quantity.ts'

/** What a Deployment, StatefulSet or DaemonSet means on one machine: so many containers of one image. */
export interface Workload {
  name: string
  /** Its turn. */
  wave: number
  replicas: number
  image: string
  /** The image's own command without it. */
  command?: string[]
  /** The command replaces the image's entrypoint, so the image must have none. */
  replacesEntrypoint: boolean
  env: Record<string, string>
  /** Variable -> the secret of the repository that it holds. */
  secrets: Record<string, string>
  workdir?: string
  user?: string
  memoryMb: number
  cpus: number
  /** Labels of its pods, for the selectors of services. */
  labels: Record<string, string>
  ports: { name?: string; number: number }[]
  probe: Probe
}
/** How to ask whether a container is ready. Without a way to ask, it is once it has run for `settleMs`. */
export interface Probe {
  http?: { port: number; path: string; headers: Record<string, string> }
  tcp?: number
  exec?: string[]
  settleMs: number
  initialDelayMs: number
  periodMs: number
  /** The same while it is ready and nobody waits. */
  calmMs: number
  timeoutMs: number
  /** So many times in a row. */
  successes: number
  /** So many times in a row once it has been ready, and it is not any more. */
  failures: number
}

const replicaLimit = 50
const honoured = 'name image command args env envFrom workingDir ports resources readinessProbe'.split(' ')
const ignored =
  'livenessProbe startupProbe lifecycle securityContext volumeMounts imagePullPolicy terminationMessagePath terminationMessagePolicy stdin stdinOnce tty'.split(
    ' ',
  )
const quiet = ['imagePullPolicy', 'terminationMessagePath', 'terminationMessagePolicy', 'securityContext']

const textsOf = (value: unknown): string[] => listOf(value).map(String)
/** A whole number of the manifest; what is none is found invalid. */
export function whole(value: unknown, field: string, fallback: number, findings: Findings): number {
  if (value === undefined || value === null) return fallback
  if (typeof value === 'number' && Number.isSafeInteger(value) && value >= 0) return value
  findings.invalid(`${field} is not a whole number`)
  return fallback
}

/** Reads the pods of a Deployment, StatefulSet or DaemonSet. */
export function readWorkload(object: Json, sources: Sources, findings: Findings): Workload {
  const template = object.spec?.template
  const pod = template?.spec ?? {}
  const containers = listOf(pod.containers)
  const container = containers[0] ?? {}
  if (containers.length !== 1) findings.unsupported('a pod has exactly one container here')
  if (listOf(pod.initContainers).length > 0) findings.unsupported('initContainers need Kubernetes')
  if (listOf(object.spec?.volumeClaimTemplates).length > 0) findings.unsupported('volumes need Kubernetes')
  readVolumes(pod, findings)
  checkFields(container, findings)
  const replicas = object.kind === 'DaemonSet' ? 1 : whole(object.spec?.replicas, 'spec.replicas', 1, findings)
  if (replicas > replicaLimit) findings.unsupported(`more than ${replicaLimit} replicas are too many for one machine`)
  const { env, secrets } = readEnv(container, sources, findings)
  const ports = readPorts(container, findings)
  const user = userOf(pod.securityContext, container.securityContext)
  const command = [...textsOf(container.command), ...textsOf(container.args)].map((text) => expand(text, env))
  return {
    name: object.metadata.name,
    wave: waveOf(object),
    replicas: Math.min(replicas, replicaLimit),
    image: String(container.image ?? ''),
    ...(command.length > 0 ? { command } : {}),
    replacesEntrypoint: textsOf(container.command).length > 0,
    env,
    secrets,
    ...(container.workingDir ? { workdir: String(container.workingDir) } : {}),
    ...(user === undefined ? {} : { user }),
    ...readLimits(container.resources?.limits, findings),
    labels: template?.metadata?.labels ?? {},
    ports,
    probe: readProbe(container.readinessProbe, ports, findings),
  }
}

function readVolumes(pod: Json, findings: Findings): void {
  for (const volume of listOf(pod.volumes)) {
    if (volume.emptyDir === undefined) findings.unsupported(`volume ${volume.name} needs Kubernetes`)
    else findings.note(`emptyDir ${volume.name} is a folder of the container here`)
  }
}

function checkFields(container: Json, findings: Findings): void {
  for (const field of Object.keys(container)) {
    if (honoured.includes(field)) continue
    if (!ignored.includes(field)) findings.invalid(`a container has no field ${field}`)
    else if (!quiet.includes(field)) findings.note(`${field} is ignored here`)
  }
}

function readPorts(container: Json, findings: Findings): Workload['ports'] {
  return listOf(container.ports).map((port) => ({
    ...(port.name ? { name: String(port.name) } : {}),
    number: whole(port.containerPort, 'containerPort', 0, findings),
  }))
}

function readLimits(limits: Json, findings: Findings): { memoryMb: number; cpus: number } {
  const memoryMb = megabytes(limits?.memory ?? '512Mi')
  const cpus = processors(limits?.cpu ?? 1, availableParallelism())
  if (memoryMb === undefined) findings.invalid(`memory limit ${limits.memory} is not a quantity`)
  if (cpus === undefined) findings.invalid(`cpu limit ${limits.cpu} is not a quantity`)
  return { memoryMb: memoryMb ?? 512, cpus: cpus ?? 1 }
}

function userOf(pod: Json, container: Json): string | undefined {
  const user = container?.runAsUser ?? pod?.runAsUser
  const group = container?.runAsGroup ?? pod?.runAsGroup
  if (user === undefined) return undefined
  return group === undefined ? String(user) : `${user}:${group}`
}

const settleMs = 2_000
/** While a release is awaited, nobody is made to wait longer for the next question. */
const longestPeriodMs = 1_000

/** A readiness probe never ends a container, so its failureThreshold means nothing before the first success. */
function readProbe(probe: Json, ports: Workload['ports'], findings: Findings): Probe {
  const seconds = (field: string, fallback: number) =>
    whole(probe?.[field], `readinessProbe.${field}`, fallback, findings) * 1000
  const times = {
    settleMs: probe ? 0 : settleMs,
    initialDelayMs: seconds('initialDelaySeconds', 0),
    periodMs: Math.min(seconds('periodSeconds', 10) || longestPeriodMs, longestPeriodMs),
    calmMs: seconds('periodSeconds', 10) || longestPeriodMs,
    timeoutMs: seconds('timeoutSeconds', 1) || 1000,
    successes: Math.max(1, seconds('successThreshold', 1) / 1000),
    failures: Math.max(1, seconds('failureThreshold', 3) / 1000),
  }
  if (!probe) return { ...times, ...(ports[0] ? { tcp: ports[0].number } : {}) }
  if (probe.exec) return { ...times, exec: textsOf(probe.exec.command) }
  if (probe.tcpSocket) return { ...times, tcp: portNumber(probe.tcpSocket.port, ports, findings) }
  const http = probe.httpGet
  if (!http || (http.scheme ?? 'HTTP') !== 'HTTP') {
    findings.unsupported('a readiness probe asks by httpGet (HTTP), tcpSocket or exec here')
    return times
  }
  const headers = Object.fromEntries(listOf(http.httpHeaders).map(({ name, value }) => [String(name), String(value)]))
  const path = `/${http.path ?? ''}`.replace(/^\/+/, '/')
  return { ...times, http: { port: portNumber(http.port, ports, findings), path, headers } }
}

/** A port by number or by its name in the container. */
export function portNumber(port: unknown, ports: Workload['ports'], findings: Findings): number {
  const number = typeof port === 'string' ? (ports.find(({ name }) => name === port)?.number ?? Number(port)) : port
  if (typeof number === 'number' && Number.isInteger(number) && number > 0 && number < 65_536) return number
  findings.invalid(`there is no port ${port}`)
  return 0
}
