import { done, type Outcome, refuse } from '@taxiway/domain/reason.ts'
import type { RenderedObject } from '../target.ts'

/** What a Deployment, StatefulSet or DaemonSet means on one machine: so many containers of one image. */
export interface Workload {
  name: string
  replicas: number
  image: string
  command: string[]
  env: Record<string, string>
  workdir?: string
  memoryMb: number
  cpus: number
  /** Labels of its pods, for the selectors of services. */
  labels: Record<string, string>
  ports: { name?: string; number: number }[]
  probe: Probe
}
export interface Probe {
  http?: { port: number; path: string }
  tcp?: number
  exec?: string[]
  initialDelayMs: number
  periodMs: number
  timeoutMs: number
}
/** A name under which a workload answers HTTP. */
export interface ServicePort {
  service: string
  workload: string
  /** Port of the containers. */
  port: number
}

// Manifests are untrusted JSON: every field is looked at before it is used.
// biome-ignore lint/suspicious/noExplicitAny: the shape is whatever somebody wrote.
type Json = any
const ignored = new Set(['Ingress', 'HorizontalPodAutoscaler', 'PodDisruptionBudget', 'ConfigMap', 'Service'])

/** Reads what the objects mean here, or names the first thing that this target can't carry. */
export function readObjects(objects: RenderedObject[]): Outcome<{ workloads: Workload[]; services: ServicePort[] }> {
  const configs = new Map(
    objects
      .filter(({ kind }) => kind === 'ConfigMap')
      .map((object) => [object.metadata.name, (object.data ?? {}) as Record<string, string>]),
  )
  const workloads: Workload[] = []
  for (const object of objects) {
    if (ignored.has(object.kind)) continue
    if (object.kind === 'Job')
      return refuse('manifest_unsupported', { object: `Job/${object.metadata.name}`, detail: 'jobs need Kubernetes' })
    const workload = readWorkload(object as Json, configs)
    if (!workload.ok) return workload
    workloads.push(workload.value)
  }
  const services: ServicePort[] = []
  for (const object of objects as Json[]) {
    if (object.kind !== 'Service') continue
    const selector = Object.entries(object.spec?.selector ?? {})
    const workload = workloads.find(
      ({ labels }) => selector.length > 0 && selector.every(([key, value]) => labels[key] === value),
    )
    const wanted = object.spec?.ports?.[0]
    if (!workload || !wanted) continue
    const target = wanted.targetPort ?? wanted.port
    const port = typeof target === 'number' ? target : workload.ports.find(({ name }) => name === target)?.number
    if (port === undefined)
      return refuse('manifest_invalid', {
        object: `Service/${object.metadata.name}`,
        detail: `there is no port ${target} in ${workload.name}`,
      })
    services.push({ service: object.metadata.name, workload: workload.name, port })
  }
  return done({ workloads, services })
}

function readWorkload(object: Json, configs: Map<string, Record<string, string>>): Outcome<Workload> {
  const no = (detail: string) =>
    refuse('manifest_unsupported', { object: `${object.kind}/${object.metadata.name}`, detail })
  const pod = object.spec?.template?.spec
  const container = pod?.containers?.[0]
  if (!container || pod.containers.length > 1) return no('a pod must have exactly one container here')
  if (pod.initContainers?.length > 0) return no('init containers need Kubernetes')
  if ((pod.volumes ?? []).some((volume: Json) => !volume.emptyDir)) return no('volumes need Kubernetes')
  const env = readEnv(container, configs)
  if (typeof env === 'string') return no(env)
  const ports = (container.ports ?? []).map((port: Json) => ({
    ...(port.name ? { name: port.name } : {}),
    number: port.containerPort,
  }))
  return done({
    name: object.metadata.name,
    replicas: object.kind === 'DaemonSet' ? 1 : (object.spec.replicas ?? 1),
    image: container.image,
    command: [...(container.command ?? []), ...(container.args ?? [])],
    env,
    ...(container.workingDir ? { workdir: container.workingDir } : {}),
    memoryMb: megabytes(container.resources?.limits?.memory) ?? 512,
    cpus: processors(container.resources?.limits?.cpu) ?? 1,
    labels: object.spec.template.metadata?.labels ?? {},
    ports,
    probe: readProbe(container.readinessProbe, ports),
  })
}

/** @returns the variables, or what can't be had here */
function readEnv(container: Json, configs: Map<string, Record<string, string>>): Record<string, string> | string {
  const env: Record<string, string> = {}
  for (const { configMapRef, prefix = '' } of container.envFrom ?? []) {
    const config = configs.get(configMapRef?.name)
    if (!config) return 'envFrom needs a ConfigMap of the same manifests'
    for (const [key, value] of Object.entries(config)) env[prefix + key] = value
  }
  for (const { name, value, valueFrom } of container.env ?? []) {
    const reference = valueFrom?.configMapKeyRef
    const found = valueFrom ? configs.get(reference?.name)?.[reference?.key] : (value ?? '')
    if (found === undefined) return `the variable ${name} comes from where only Kubernetes can look`
    env[name] = found
  }
  return env
}

function readProbe(probe: Json, ports: { name?: string; number: number }[]): Probe {
  const number = (port: Json): number =>
    typeof port === 'number' ? port : (ports.find(({ name }) => name === port)?.number ?? 0)
  const first = ports[0]?.number
  return {
    ...(probe?.httpGet ? { http: { port: number(probe.httpGet.port), path: probe.httpGet.path ?? '/' } } : {}),
    ...(probe?.tcpSocket ? { tcp: number(probe.tcpSocket.port) } : !probe && first ? { tcp: first } : {}),
    ...(probe?.exec ? { exec: probe.exec.command ?? [] } : {}),
    initialDelayMs: (probe?.initialDelaySeconds ?? 0) * 1000,
    periodMs: Math.min((probe?.periodSeconds ?? 1) * 1000, 1000),
    timeoutMs: (probe?.timeoutSeconds ?? 1) * 1000,
  }
}

const units: Record<string, number> = { Ki: 2 ** 10, Mi: 2 ** 20, Gi: 2 ** 30, K: 1e3, k: 1e3, M: 1e6, G: 1e9, '': 1 }

/** Kubernetes' quantity of bytes (kubernetes.io/docs/reference/kubernetes-api/common-definitions/quantity), in MB of 2^20, at least 6. */
function megabytes(quantity: Json): number | undefined {
  const [, number, unit] = /^(\d+(?:\.\d+)?)([A-Za-z]{0,2})$/.exec(String(quantity ?? '')) ?? []
  const factor = units[unit ?? '']
  return number && factor ? Math.max(6, Math.ceil((Number(number) * factor) / 2 ** 20)) : undefined
}
function processors(quantity: Json): number | undefined {
  const [, number, milli] = /^(\d+(?:\.\d+)?)(m?)$/.exec(String(quantity ?? '')) ?? []
  return number ? Math.max(0.01, Number(number) / (milli ? 1000 : 1)) : undefined
}
