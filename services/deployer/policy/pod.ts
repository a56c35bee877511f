import { pullSecret } from '@taxiway/domain/cluster/rights.ts'
import { imageObjection } from './image.ts'
import { isSet, type Loose, list, shown, unknownField } from './loose.ts'
import { against, byRule, each, fieldObjections, type Objection, type Objections } from './objection.ts'
import type { ObjectRules } from './rules.ts'
import { secretObjection } from './secret.ts'
import { restrictedObjections, securityObjections } from './security-context.ts'

/** Fields that can't take more than a container of one's own, or whose values are looked at below. All others are refused. */
const ofPod = {
  allowed: (
    'containers initContainers volumes securityContext imagePullSecrets serviceAccountName serviceAccount ' +
    'automountServiceAccountToken restartPolicy terminationGracePeriodSeconds activeDeadlineSeconds dnsPolicy dnsConfig ' +
    'nodeSelector affinity tolerations topologySpreadConstraints hostname subdomain setHostnameAsFQDN hostAliases ' +
    'priorityClassName preemptionPolicy enableServiceLinks readinessGates schedulerName shareProcessNamespace os resources'
  ).split(' '),
  closed: (
    'hostNetwork hostPID hostIPC hostUsers nodeName ephemeralContainers runtimeClassName resourceClaims priority overhead ' +
    'schedulingGates hostnameOverride workloadRef'
  ).split(' '),
  of: '',
}
const ofContainer = {
  allowed: (
    'name image command args workingDir ports env envFrom resources resizePolicy restartPolicy restartPolicyRules ' +
    'volumeMounts livenessProbe readinessProbe startupProbe lifecycle terminationMessagePath terminationMessagePolicy ' +
    'imagePullPolicy securityContext stdin stdinOnce tty'
  ).split(' '),
  closed: ['volumeDevices'],
  of: ' of a container',
}
const volumeTypes = ['configMap', 'secret', 'emptyDir', 'persistentVolumeClaim', 'downwardAPI', 'projected']
const projections = ['configMap', 'secret', 'downwardAPI']
const probes = ['livenessProbe', 'readinessProbe', 'startupProbe']
const hooks = ['postStart', 'preStop']

/**
 * What a pod template asks for beyond running its containers. After the Pod Security Standards: restricted in full where a rule
 * says so; elsewhere all of it but that images must run without root and capabilities, which would refuse most images there
 * are. What is not known is refused.
 */
export function podObjections(template: unknown, rules: ObjectRules): Objections {
  const { metadata, spec } = (template ?? {}) as { metadata?: Loose; spec?: Loose }
  if (!isSet(spec)) return []
  if (typeof spec !== 'object' || Array.isArray(spec)) return [against('the pod is not a map')]
  const containers = [...list(spec.initContainers), ...list(spec.containers)]
  const found = [
    ...fieldObjections(spec, ofPod),
    accountObjection(spec, rules),
    shown(spec.priorityClassName ?? '').startsWith('system-')
      ? against('a system priorityClassName not allowed')
      : undefined,
    ...annotationObjections(metadata?.annotations),
    ...securityObjections(spec.securityContext, 'pod'),
    // By this one nodes pull; the pod itself sees nothing of it.
    ...each(list(spec.imagePullSecrets), ({ name }) => [
      (name as unknown) === pullSecret ? undefined : secretObjection(name, rules),
    ]),
    ...each(list(spec.volumes), (volume) => volumeObjections(volume, rules)),
    ...each(containers, (container) => containerObjections(container, rules)),
  ]
  if (found.some((one) => one !== undefined)) return found
  return [
    Object.values(spec)
      .map(misplacedObjection)
      .find((one) => one !== undefined),
    ...(rules.pods === 'restricted' ? restrictedObjections(spec, containers) : []),
  ]
}

/** Keys of these are anybody's words. */
const freeKeys = ['nodeSelector', 'matchLabels', 'limits', 'requests']
const powers =
  /^(host(Network|PID|IPC|Path|Port|Process)|nodeName|privileged|allowPrivilegeEscalation|procMount|sysctls|ephemeralContainers|serviceAccount(Name|Token)|automountServiceAccountToken)$/

/** What these say where they give nothing. */
const ordinary: Record<string, unknown> = { procMount: 'Default', serviceAccountName: 'default' }

/** The last wall: what gives power stands nowhere else either, in whatever shape the rest is. Where it may stand it was looked at above. */
export function misplacedObjection(value: unknown): Objection | undefined {
  if (typeof value !== 'object' || value === null) return undefined
  for (const [key, inner] of Object.entries(value)) {
    if (freeKeys.includes(key)) continue
    const isHarmless = !inner || inner === ordinary[key] || (Array.isArray(inner) && inner.length === 0)
    if (powers.test(key) && !isHarmless) return against(`${key} not allowed`)
    const found = misplacedObjection(inner)
    if (found) return found
  }
  return undefined
}

/**
 * A service account is rights in the cluster: an admin lists those that pods may have, and only these hand out their token. One
 * that the release brings itself gives a name and no token.
 */
function accountObjection(spec: Loose, { serviceAccounts = [], accounts }: ObjectRules): Objection | undefined {
  const names = ['serviceAccountName', 'serviceAccount'].map((field) => spec[field] as unknown).filter(isSet)
  const isRuled = (name: unknown) => serviceAccounts.includes(name as string)
  const foreign = names.find((name) => name !== 'default' && !isRuled(name) && !accounts.has(name as string))
  if (foreign !== undefined)
    return against(
      `serviceAccountName ${shown(foreign)} not allowed, as no rule lists it`,
      `Bring that ServiceAccount with the manifests, or have an admin rule serviceAccounts: ["${shown(foreign)}"] for the environment`,
    )
  return isSet(spec.automountServiceAccountToken) && !(names.length > 0 && names.every(isRuled))
    ? against(
        'automountServiceAccountToken not allowed, but for service accounts that a rule lists',
        byRule('serviceAccounts'),
      )
    : undefined
}

/** Profiles as they were said before there were fields for them, which the cluster still reads. */
const annotationObjections = (annotations: Loose | undefined): Objections =>
  Object.entries(annotations ?? {}).map(([key, value]) => {
    if (/(^|\.)alpha\.kubernetes\.io\/(unsafe-)?sysctls$/.test(key)) return against(`annotation ${key} not allowed`)
    const isProfile = /^(container\.apparmor\.security\.beta|(container\.)?seccomp\.security\.alpha)\.kubernetes\.io\//
    return isProfile.test(key) && !/^(runtime|docker)\/default$|^localhost\//.test(shown(value))
      ? against(`annotation ${key}: ${shown(value)} not allowed`)
      : undefined
  })

function volumeObjections(volume: Loose, rules: ObjectRules): Objections {
  const type = unknownField(volume, ['name', ...volumeTypes])
  if (type) return [against(`volume type ${type} not allowed`)]
  return [
    secretObjection(volume.secret?.secretName, rules),
    ...each(list(volume.projected?.sources), (source) => {
      const projection = unknownField(source, projections)
      return [
        projection ? against(`a projected ${projection} not allowed`) : undefined,
        secretObjection(source.secret?.name, rules),
      ]
    }),
  ]
}

function containerObjections(container: Loose, rules: ObjectRules): Objections {
  if (typeof container !== 'object') return [against('a container is not a map')]
  const handlers = [...probes.map((name) => container[name]), ...hooks.map((name) => container.lifecycle?.[name])]
  return [
    ...fieldObjections(container, ofContainer),
    ...each(list(container.ports), (port) => [
      isSet(port.hostPort) || isSet(port.hostIP) ? against('hostPort not allowed') : undefined,
    ]),
    ...each(list(container.volumeMounts), ({ mountPropagation }) => [
      (mountPropagation as unknown) === 'Bidirectional'
        ? against('mountPropagation Bidirectional not allowed')
        : undefined,
    ]),
    ...handlers.map((handler) =>
      isSet(handler?.httpGet?.host) || isSet(handler?.tcpSocket?.host)
        ? against('a probe of another host not allowed')
        : undefined,
    ),
    imageObjection(container.image, rules),
    ...each(list(container.env), ({ valueFrom }) => [secretObjection(valueFrom?.secretKeyRef?.name, rules)]),
    ...each(list(container.envFrom), ({ secretRef }) => [secretObjection(secretRef?.name, rules)]),
    ...securityObjections(container.securityContext, 'container'),
  ]
}
