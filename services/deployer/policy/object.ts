import { ownKind } from '@taxiway/domain/cluster/kinds.ts'
import { pullSecret } from '@taxiway/domain/cluster/rights.ts'
import type { RenderedObject } from '@taxiway/domain/environment/release.ts'
import { recordPrefix } from '@taxiway/kubernetes/object.ts'
import { isMap, podTemplatesOf } from '../order/templates.ts'
import { isSet, type Loose, list, shown } from './loose.ts'
import { against, byRule, each, type Objection, type Objections } from './objection.ts'
import { misplacedObjection, podObjections } from './pod.ts'
import type { ObjectRules } from './rules.ts'
import { secretObjection } from './secret.ts'

const dnsLabel = /^[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?$/
const dnsName = /^(?=.{1,253}$)[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*$/

/** What stands against an object of a kind that may be here. */
export function objectObjections(object: RenderedObject, rules: ObjectRules): Objections {
  if (object.spec !== undefined && object.spec !== null && !isMap(object.spec)) return [against('spec is not a map')]
  const { metadata: _, ...rest } = object
  const own = Object.hasOwn(byKind, object.kind) ? byKind[object.kind] : undefined
  return [
    nameObjection(object),
    ...metadataObjections(object.metadata as Loose, rules),
    ...(own?.(object as unknown as Loose, rules) ?? []),
    ...podTemplatesOf(object).flatMap((template) => [
      ...metadataObjections((template as Loose).metadata, rules),
      ...podObjections(template, rules),
    ]),
    // Of other kinds nothing is known but that they may run pods of their own making.
    ...(ownKind(object) ? [] : [misplacedObjection(rest)]),
  ]
}

/** Names as Kubernetes takes them: that of a Service becomes one label of a host name. */
function nameObjection({ kind, metadata }: RenderedObject): Objection | undefined {
  if (kind === 'Service' && !dnsLabel.test(metadata.name))
    return against('its name is not a DNS label (lower case, digits, dashes, at most 63 characters)', 'Rename it')
  if (!dnsName.test(metadata.name))
    return against(
      'its name is not a DNS name (lower case, digits, dashes and dots, at most 253 characters)',
      'Rename it',
    )
  return kind === 'ConfigMap' && metadata.name.startsWith(recordPrefix)
    ? against(`names that begin with ${recordPrefix} are kept for releases`, 'Rename it')
    : undefined
}

/** Of an object, and of what it makes others from. */
function metadataObjections(metadata: Loose | undefined, { namespace }: ObjectRules): Objections {
  if (!isSet(metadata)) return []
  if (!isMap(metadata)) return [against('metadata is not a map')]
  return [
    metadata.namespace !== undefined && (metadata.namespace as unknown) !== namespace
      ? against(
          `namespace ${shown(metadata.namespace)} is not the environment's (${namespace})`,
          `Leave metadata.namespace out, or write namespace: ${shown(metadata.namespace)} for the environment in the pipeline file`,
        )
      : undefined,
    ...['generateName', 'finalizers', 'ownerReferences'].map((field) =>
      metadata[field] === undefined ? undefined : against(`metadata.${field} not allowed`),
    ),
  ]
}

const byKind: Readonly<Record<string, (object: Loose, rules: ObjectRules) => Objections>> = {
  Service: serviceObjections,
  Ingress: ingressObjections,
  ServiceAccount: accountObjections,
  Secret: ownSecretObjections,
  PersistentVolumeClaim: ({ spec }) => [claimObjection(spec)],
  StatefulSet: ({ spec }, rules) =>
    each(list(spec?.volumeClaimTemplates), ({ metadata, spec: claim }) => [
      ...metadataObjections(metadata, rules),
      claimObjection(claim),
    ]),
  CronJob: ({ spec }, rules) => metadataObjections(spec?.jobTemplate?.metadata, rules),
}

function serviceObjections({ spec = {} as Loose }: Loose, { loadBalancers, nodePorts }: ObjectRules): Objections {
  const type = spec.type as unknown
  const types = ['ClusterIP', ...(loadBalancers ? ['LoadBalancer'] : []), ...(nodePorts ? ['NodePort'] : [])]
  const rule = { LoadBalancer: 'loadBalancers: true', NodePort: 'nodePorts: true' }[shown(type)]
  return [
    isSet(type) && !types.includes(type as string)
      ? against(
          `spec.type ${shown(type)} not allowed, only ${types.join(' and ')}`,
          rule && `Make it ClusterIP, or have an admin rule ${rule} for the environment`,
        )
      : undefined,
    ...['externalIPs', 'externalName', 'loadBalancerIP', 'loadBalancerClass', 'healthCheckNodePort'].map((field) =>
      isSet(spec[field]) ? against(`spec.${field} not allowed`) : undefined,
    ),
    !nodePorts && list(spec.ports).some((port) => isSet(port?.nodePort))
      ? against('spec.ports.nodePort not allowed', byRule('nodePorts: true'))
      : undefined,
  ]
}

/** Annotations are commands to the controller: those that hold configuration of its server, or name other namespaces' things. */
function ingressObjections({ metadata, spec }: Loose, rules: ObjectRules): Objections {
  const annotations = Object.entries(metadata?.annotations ?? {}).map(([key, value]) => {
    if (/-(snippet|snippets)$/.test(key)) return against(`annotation ${key} not allowed`)
    if (!/secret$/.test(key)) return undefined
    const [name, place] = shown(value).split('/').reverse()
    return place !== undefined && place !== rules.namespace
      ? against(`annotation ${key} of another namespace not allowed`)
      : secretObjection(name, rules)
  })
  return [...annotations, ...each(list(spec?.tls), ({ secretName }) => [secretObjection(secretName, rules)])]
}

/** By these, programs in the cluster hand out rights outside of it to whoever runs as the account. */
const identities = /^(eks\.amazonaws\.com|iam\.gke\.io|azure\.workload\.identity)\//

/** An account that a release brings is a name without a token; what gives it rights elsewhere is an admin's to say. */
function accountObjections(object: Loose, rules: ObjectRules): Objections {
  const { metadata, secrets, imagePullSecrets } = object
  const name = shown(metadata?.name)
  if (rules.serviceAccounts?.includes(name)) return []
  const hint = byRule(`serviceAccounts: ["${name}"]`)
  return [
    name === 'default' ? against("the account default is the namespace's own", 'Give it another name') : undefined,
    rules.isShared ? against('another repository owns the namespace, and no rule lists the account', hint) : undefined,
    ...[...Object.keys(metadata?.annotations ?? {}), ...Object.keys(metadata?.labels ?? {})]
      .filter((key) => identities.test(key))
      .map((key) => against(`annotation ${key} not allowed, as no rule lists the account`, hint)),
    ...each([...list(secrets), ...list(imagePullSecrets)], (one) => [secretObjection(one.name, rules)]),
  ]
}

/** Types of Secret that are only data. Others ask the cluster for tokens, or are read by its own programs. */
const secretTypes = [
  'Opaque',
  'kubernetes.io/tls',
  'kubernetes.io/dockerconfigjson',
  'kubernetes.io/dockercfg',
  'kubernetes.io/basic-auth',
  'kubernetes.io/ssh-auth',
]

function ownSecretObjections({ type, metadata }: Loose): Objections {
  return [
    isSet(type) && !secretTypes.includes(shown(type))
      ? against(`a Secret of type ${shown(type)} not allowed`)
      : undefined,
    shown(metadata?.name) === pullSecret
      ? against(`the name ${pullSecret} is kept for the credentials of registries`, 'Rename it')
      : undefined,
  ]
}

/** A volume that is named, or made from something, may be another's. */
function claimObjection(claim: Loose | undefined): Objection | undefined {
  const field = ['volumeName', 'selector', 'dataSource', 'dataSourceRef'].find((name) => isSet(claim?.[name]))
  return field ? against(`${field} of a volume claim not allowed`) : undefined
}
