import type { RenderedObject, SecretSet } from '@taxiway/domain/environment/release.ts'
import { done, type Outcome, type Reason, reason, refuse } from '@taxiway/domain/reason.ts'
import type { ConfigMaps } from './env.ts'
import { type Findings, type Json, listOf } from './findings.ts'
import { portNumber, readWorkload, type Workload } from './pod.ts'

/** A name under which a workload answers HTTP. */
export interface ServicePort {
  service: string
  workload: string
  /** Port of the containers. */
  port: number
}
/** What the objects of a release mean on one machine. */
export interface Plan {
  workloads: Workload[]
  services: ServicePort[]
  /** What is left out, a line each. */
  notes: string[]
}

const workloadKinds = ['Deployment', 'StatefulSet', 'DaemonSet']
const ignoredKinds = ['Ingress', 'HorizontalPodAutoscaler', 'PodDisruptionBudget']

/**
 * Reads what the objects mean here. Refuses with the first thing that this target can't carry (`manifest_unsupported`) or
 * that makes no sense (`manifest_invalid`).
 */
export function readObjects(objects: RenderedObject[], secrets: readonly SecretSet[] = []): Outcome<Plan> {
  const reasons: Reason[] = []
  const notes: string[] = []
  const findingsOf = (object: RenderedObject): Findings => {
    const name = `${object.kind}/${object.metadata.name}`
    return {
      invalid: (detail) => void reasons.push(reason('manifest_invalid', { object: name, detail })),
      unsupported: (detail) => void reasons.push(reason('manifest_unsupported', { object: name, detail })),
      note: (line) => void notes.push(`${name}: ${line}`),
    }
  }
  const of = (...kinds: string[]) => objects.filter(({ kind }) => kinds.includes(kind))
  for (const object of objects) {
    if (ignoredKinds.includes(object.kind)) findingsOf(object).note('ignored, it means nothing on one machine')
    else if (![...workloadKinds, 'ConfigMap', 'Service'].includes(object.kind))
      findingsOf(object).unsupported(`a ${object.kind} needs Kubernetes`)
  }
  const configs: ConfigMaps = new Map(
    of('ConfigMap').map((object) => [object.metadata.name, readConfig(object, findingsOf(object))]),
  )
  const workloads = of(...workloadKinds).map((object) => readWorkload(object, { configs, secrets }, findingsOf(object)))
  const twice = workloads.find(({ name }, index) => workloads.findIndex((other) => other.name === name) !== index)
  if (twice) return refuse('manifest_unsupported', { object: twice.name, detail: 'two workloads have this name' })
  const services = of('Service').flatMap((object) => readService(object, workloads, findingsOf(object)))
  const first = reasons[0]
  return first ? { ok: false, reason: first } : done({ workloads, services, notes })
}

function readConfig(object: Json, findings: Findings): Record<string, string> {
  const entries = Object.entries(object.data ?? {})
  const wrong = entries.find(([, value]) => typeof value !== 'string')
  if (wrong) findings.invalid(`data.${wrong[0]} is not a string`)
  return Object.fromEntries(entries) as Record<string, string>
}

function readService(object: Json, workloads: Workload[], findings: Findings): ServicePort[] {
  const selector = Object.entries(object.spec?.selector ?? {})
  const selected = workloads.filter(
    ({ labels }) => selector.length > 0 && selector.every(([key, value]) => labels[key] === value),
  )
  const [workload] = selected
  const [wanted, ...others] = listOf(object.spec?.ports)
  if (selected.length > 1)
    findings.unsupported(
      `its selector fits ${selected.map(({ name }) => name).join(' and ')}, here it may fit only one`,
    )
  if (!wanted) findings.invalid('it has no port')
  else if ((wanted.protocol ?? 'TCP') !== 'TCP') findings.unsupported(`protocol ${wanted.protocol} needs Kubernetes`)
  if (!workload || !wanted) {
    findings.note('ignored, its selector fits no workload of these manifests')
    return []
  }
  if (others.length > 0) findings.note('only its first port is served')
  const port = portNumber(wanted.targetPort ?? wanted.port, workload.ports, findings)
  return [{ service: object.metadata.name, workload: workload.name, port }]
}
