import { imageObjection } from './image.ts'
import { first, isSet, type Loose, list, shown, unknownField } from './loose.ts'
import type { PolicyRules, SecretRules } from './rules.ts'
import { secretObjection } from './secret.ts'
import { restrictedObjection, securityObjection } from './security-context.ts'

/** Fields that can't take more than a container of one's own, or whose values are looked at below. All others are refused. */
const ofPod = (
  'containers initContainers volumes securityContext imagePullSecrets serviceAccountName serviceAccount ' +
  'automountServiceAccountToken restartPolicy terminationGracePeriodSeconds activeDeadlineSeconds dnsPolicy dnsConfig ' +
  'nodeSelector affinity tolerations topologySpreadConstraints hostname subdomain setHostnameAsFQDN hostAliases ' +
  'priorityClassName preemptionPolicy enableServiceLinks readinessGates schedulerName shareProcessNamespace os resources'
).split(' ')
const ofContainer = (
  'name image command args workingDir ports env envFrom resources resizePolicy restartPolicy volumeMounts livenessProbe ' +
  'readinessProbe startupProbe lifecycle terminationMessagePath terminationMessagePolicy imagePullPolicy securityContext ' +
  'stdin stdinOnce tty'
).split(' ')
const volumeTypes = ['configMap', 'secret', 'emptyDir', 'persistentVolumeClaim', 'downwardAPI', 'projected']
const projections = ['configMap', 'secret', 'downwardAPI']
const probes = ['livenessProbe', 'readinessProbe', 'startupProbe']
const hooks = ['postStart', 'preStop']

/**
 * What a pod template asks for beyond running its containers, or undefined. After the Pod Security Standards: restricted in
 * full where a rule says so; elsewhere all of it but that images must run without root and capabilities, which would refuse
 * most images there are. What is not known is refused.
 */
export function podObjection(template: unknown, rules: PolicyRules & SecretRules): string | undefined {
  const { metadata, spec } = (template ?? {}) as { metadata?: Loose; spec?: Loose }
  if (!isSet(spec)) return undefined
  if (typeof spec !== 'object' || Array.isArray(spec)) return 'the pod is not a map'
  const unknown = unknownField(spec, ofPod)
  if (unknown) return `${unknown} not allowed`
  const containers = [...list(spec.initContainers), ...list(spec.containers)]
  return (
    accountObjection(spec, rules) ??
    (shown(spec.priorityClassName ?? '').startsWith('system-')
      ? 'a system priorityClassName not allowed'
      : undefined) ??
    annotationObjection(metadata?.annotations) ??
    securityObjection(spec.securityContext, 'pod') ??
    first(list(spec.imagePullSecrets), ({ name }) => secretObjection(name, rules)) ??
    first(list(spec.volumes), (volume) => volumeObjection(volume, rules)) ??
    first(containers, (container) => containerObjection(container, rules)) ??
    Object.values(spec)
      .map(misplacedObjection)
      .find((found) => found !== undefined) ??
    (rules.pods === 'restricted' ? restrictedObjection(spec, containers) : undefined)
  )
}

/** Keys of these are anybody's words. */
const freeKeys = ['nodeSelector', 'matchLabels', 'limits', 'requests']
const powers =
  /^(host(Network|PID|IPC|Path|Port|Process)|nodeName|privileged|allowPrivilegeEscalation|procMount|sysctls|ephemeralContainers|serviceAccount(Name|Token)|automountServiceAccountToken)$/

/** What these say where they give nothing. */
const ordinary: Record<string, unknown> = { procMount: 'Default', serviceAccountName: 'default' }

/** The last wall: what gives power stands nowhere else either, in whatever shape the rest is. Where it may stand it was looked at above. */
function misplacedObjection(value: unknown): string | undefined {
  if (typeof value !== 'object' || value === null) return undefined
  for (const [key, inner] of Object.entries(value)) {
    if (freeKeys.includes(key)) continue
    const isHarmless = !inner || inner === ordinary[key] || (Array.isArray(inner) && inner.length === 0)
    if (powers.test(key) && !isHarmless) return `${key} not allowed`
    const found = misplacedObjection(inner)
    if (found) return found
  }
  return undefined
}

/** A service account is rights in the cluster: an admin lists those that pods may have, and only these hand out their token. */
function accountObjection(spec: Loose, { serviceAccounts = [] }: PolicyRules): string | undefined {
  const names = ['serviceAccountName', 'serviceAccount'].map((field) => spec[field] as unknown).filter(isSet)
  const foreign = names.find((name) => name !== 'default' && !serviceAccounts.includes(name as string))
  if (foreign !== undefined) return `serviceAccountName ${shown(foreign)} not allowed, as no rule lists it`
  const isRuled = names.length > 0 && names.every((name) => name !== 'default')
  return isSet(spec.automountServiceAccountToken) && !isRuled
    ? 'automountServiceAccountToken not allowed, but for service accounts that a rule lists'
    : undefined
}

/** Profiles as they were said before there were fields for them, which the cluster still reads. */
function annotationObjection(annotations: Loose | undefined): string | undefined {
  for (const [key, value] of Object.entries(annotations ?? {})) {
    if (/(^|\.)alpha\.kubernetes\.io\/(unsafe-)?sysctls$/.test(key)) return `annotation ${key} not allowed`
    const isProfile = /^(container\.apparmor\.security\.beta|(container\.)?seccomp\.security\.alpha)\.kubernetes\.io\//
    if (isProfile.test(key) && !/^(runtime|docker)\/default$|^localhost\//.test(shown(value)))
      return `annotation ${key}: ${shown(value)} not allowed`
  }
  return undefined
}

function volumeObjection(volume: Loose, rules: SecretRules): string | undefined {
  const type = unknownField(volume, ['name', ...volumeTypes])
  if (type) return `volume type ${type} not allowed`
  const sources = list(volume.projected?.sources)
  const projection = first(sources, (source) => unknownField(source, projections))
  if (projection) return `a projected ${projection} not allowed`
  return (
    secretObjection(volume.secret?.secretName, rules) ??
    first(sources, (source) => secretObjection(source.secret?.name, rules))
  )
}

function containerObjection(container: Loose, rules: PolicyRules & SecretRules): string | undefined {
  if (typeof container !== 'object') return 'a container is not a map'
  const unknown = unknownField(container, ofContainer)
  if (unknown) return `${unknown} of a container not allowed`
  if (list(container.ports).some((port) => isSet(port?.hostPort) || isSet(port?.hostIP))) return 'hostPort not allowed'
  const mounts = list(container.volumeMounts)
  if (mounts.some((mount) => (mount?.mountPropagation as unknown) === 'Bidirectional'))
    return 'mountPropagation Bidirectional not allowed'
  const handlers = [...probes.map((name) => container[name]), ...hooks.map((name) => container.lifecycle?.[name])]
  for (const handler of handlers)
    if (isSet(handler?.httpGet?.host) || isSet(handler?.tcpSocket?.host)) return 'a probe of another host not allowed'
  return (
    imageObjection(container.image, rules.images) ??
    first(list(container.env), ({ valueFrom }) => secretObjection(valueFrom?.secretKeyRef?.name, rules)) ??
    first(list(container.envFrom), ({ secretRef }) => secretObjection(secretRef?.name, rules)) ??
    securityObjection(container.securityContext, 'container')
  )
}
