import type { RenderedObject } from '@taxiway/domain/environment/release.ts'
import { done, type Outcome, refuse } from '@taxiway/domain/reason.ts'
import { kinds, recordPrefix } from '@taxiway/kubernetes/object.ts'
import { first, isSet, type Loose, list, shown } from './loose.ts'
import { podObjection } from './pod.ts'
import type { PolicyRules, SecretRules } from './rules.ts'
import { secretObjection } from './secret.ts'

const objectLimit = 200
const listDepthLimit = 3
const dnsLabel = /^[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?$/
const dnsName = /^(?=.{1,253}$)[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*$/

type Json = Record<string, unknown>
const isObject = (value: unknown): value is Json => typeof value === 'object' && value !== null && !Array.isArray(value)
const invalid = (object: string, detail: string) => refuse('manifest_invalid', { object, detail })

/**
 * The objects in the YAML documents of a commit, if all keep the rules of their environment. Pure: the cluster's own access
 * rules are the second wall. `manifest_invalid` for what is no object, `manifest_forbidden` for what is not allowed.
 */
export function checkPolicy(
  documents: readonly unknown[],
  namespace: string,
  rules: PolicyRules = {},
): Outcome<RenderedObject[]> {
  const objects = flatten(documents)
  if (!objects.ok) return objects
  const own = objects.value.filter(({ kind }) => kind === 'Secret').map(({ metadata }) => metadata.name)
  const brought = new Set([...own, ...(rules.given ?? []).map(({ name }) => name)])
  for (const object of objects.value) {
    const name = `${object.kind}/${object.metadata.name}`
    const known = Object.keys(kinds).filter((kind) => rules.kinds?.includes(kind) ?? true)
    if (!known.includes(object.kind))
      return refuse('manifest_forbidden', {
        object: name,
        detail: 'kind not allowed',
        hint: `Allowed are ${known.join(', ')}`,
      })
    const detail = objection(object, namespace, { ...rules, brought })
    if (detail) return refuse('manifest_forbidden', { object: name, detail })
  }
  return objects
}

/** Empty documents are left out, `List`s are opened; names are there and not doubled. */
function flatten(documents: readonly unknown[]): Outcome<RenderedObject[]> {
  const objects: RenderedObject[] = []
  const add = (document: unknown, depth: number): Outcome<void> => {
    if (document === null || document === undefined) return done(undefined)
    if (!isObject(document)) return invalid('A manifest', 'it is not an object')
    const { apiVersion, kind, metadata } = document
    if (typeof kind !== 'string' || typeof apiVersion !== 'string')
      return invalid('A manifest', 'apiVersion or kind is missing')
    if (kind.endsWith('List') && Array.isArray(document.items)) {
      if (depth >= listDepthLimit) return invalid(kind, `lists are nested deeper than ${listDepthLimit}`)
      for (const item of document.items) {
        const added = add(item, depth + 1)
        if (!added.ok) return added
      }
      return done(undefined)
    }
    if (!isObject(metadata)) return invalid(kind, 'metadata is missing')
    if (typeof metadata.name !== 'string')
      return metadata.generateName === undefined
        ? invalid(kind, 'metadata.name is missing')
        : refuse('manifest_forbidden', { object: kind, detail: 'metadata.generateName not allowed' })
    if (objects.some((known) => known.kind === kind && known.metadata.name === metadata.name))
      return invalid(`${kind}/${metadata.name}`, 'it is there twice')
    if (objects.length >= objectLimit) return invalid('The manifests', `they hold more than ${objectLimit} objects`)
    objects.push(document as unknown as RenderedObject)
    return done(undefined)
  }
  for (const document of documents) {
    const added = add(document, 0)
    if (!added.ok) return added
  }
  return objects.length > 0 ? done(objects) : invalid('The manifests', 'they hold no object')
}

function objection(object: RenderedObject, namespace: string, rules: PolicyRules & SecretRules): string | undefined {
  const versions = kinds[object.kind]?.versions ?? []
  if (!versions.includes(object.apiVersion))
    return `apiVersion ${object.apiVersion} not allowed, allowed is ${versions.join(', ')}`
  if (object.spec !== undefined && object.spec !== null && !isObject(object.spec)) return 'spec is not a map'
  return (
    nameObjection(object) ??
    metadataObjection(object.metadata as Loose, namespace) ??
    serviceObjection(object, rules) ??
    ingressObjection(object, namespace, rules) ??
    workloadObjection(object, namespace, rules)
  )
}

function nameObjection({ kind, metadata }: RenderedObject): string | undefined {
  if (!(kind === 'ConfigMap' ? dnsName : dnsLabel).test(metadata.name))
    return 'its name is not a DNS label (lower case, digits, dashes, at most 63 characters)'
  return kind === 'ConfigMap' && metadata.name.startsWith(recordPrefix)
    ? `names that begin with ${recordPrefix} are kept for releases`
    : undefined
}

/** Of an object, and of what it makes others from. */
function metadataObjection(metadata: Loose | undefined, namespace: string): string | undefined {
  if (!isSet(metadata)) return undefined
  if (!isObject(metadata)) return 'metadata is not a map'
  if (metadata.namespace !== undefined && (metadata.namespace as unknown) !== namespace)
    return `namespace ${shown(metadata.namespace)} is not the environment's (${namespace})`
  for (const field of ['generateName', 'finalizers', 'ownerReferences'])
    if (metadata[field] !== undefined) return `metadata.${field} not allowed`
  return undefined
}

function serviceObjection({ kind, spec }: RenderedObject, { loadBalancers }: PolicyRules): string | undefined {
  if (kind !== 'Service') return undefined
  const service = (spec ?? {}) as Json
  const types = ['ClusterIP', ...(loadBalancers ? ['LoadBalancer'] : [])]
  if (isSet(service.type) && !types.includes(service.type as string))
    return `spec.type ${shown(service.type)} not allowed, only ${types.join(' and ')}`
  for (const field of ['externalIPs', 'externalName', 'loadBalancerIP', 'loadBalancerClass', 'healthCheckNodePort'])
    if (isSet(service[field])) return `spec.${field} not allowed`
  return list(service.ports).some((port) => isSet(port?.nodePort)) ? 'spec.ports.nodePort not allowed' : undefined
}

/** Annotations are commands to the controller: those that hold configuration of its server, or name other namespaces' things. */
function ingressObjection(
  { kind, metadata, spec }: RenderedObject,
  namespace: string,
  rules: SecretRules,
): string | undefined {
  if (kind !== 'Ingress') return undefined
  for (const [key, value] of Object.entries(metadata.annotations ?? {})) {
    if (/-(snippet|snippets)$/.test(key)) return `annotation ${key} not allowed`
    if (!/secret$/.test(key)) continue
    const [name, place] = shown(value).split('/').reverse()
    if (place !== undefined && place !== namespace) return `annotation ${key} of another namespace not allowed`
    const secret = secretObjection(name, rules)
    if (secret) return secret
  }
  return first(list((spec as Loose | undefined)?.tls), ({ secretName }) => secretObjection(secretName, rules))
}

function workloadObjection(
  { spec }: RenderedObject,
  namespace: string,
  rules: PolicyRules & SecretRules,
): string | undefined {
  const { template, volumeClaimTemplates } = (spec ?? {}) as Loose
  return (
    metadataObjection(template?.metadata, namespace) ??
    podObjection(template, rules) ??
    first(list(volumeClaimTemplates), ({ metadata, spec: claim }) => {
      // A volume that is named, or made from something, may be another's.
      const field = ['volumeName', 'selector', 'dataSource', 'dataSourceRef'].find((name) => isSet(claim?.[name]))
      return metadataObjection(metadata, namespace) ?? (field ? `${field} of a volume claim not allowed` : undefined)
    })
  )
}
