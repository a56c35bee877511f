import type { Containment } from '@taxiway/domain/containment.ts'
import { done, type Outcome, refuse } from '@taxiway/domain/reason.ts'
import { kinds, recordPrefix } from '@taxiway/kubernetes/object.ts'
import { podObjection } from './pod-policy.ts'
import type { RenderedObject } from './target.ts'

const objectLimit = 200
const listDepthLimit = 3
const dnsLabel = /^[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?$/
const dnsName = /^(?=.{1,253}$)[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*$/

/** What admins rule for the environment, and whether another repository owns its namespace. */
export type PolicyRules = Omit<Containment, 'cluster' | 'namespace'> & { isShared?: boolean }

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
  _rules: PolicyRules = {},
): Outcome<RenderedObject[]> {
  const objects = flatten(documents)
  if (!objects.ok) return objects
  for (const object of objects.value) {
    const detail = objection(object, namespace)
    if (detail) return refuse('manifest_forbidden', { object: `${object.kind}/${object.metadata.name}`, detail })
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

function objection(object: RenderedObject, namespace: string): string | undefined {
  const kind = Object.hasOwn(kinds, object.kind) ? kinds[object.kind] : undefined
  if (!kind) return `kind not allowed, allowed are ${Object.keys(kinds).join(', ')}`
  if (!kind.versions.includes(object.apiVersion))
    return `apiVersion ${object.apiVersion} not allowed, allowed is ${kind.versions.join(', ')}`
  return metadataObjection(object, namespace) ?? serviceObjection(object) ?? templateObjection(object)
}

function metadataObjection({ kind, metadata }: RenderedObject, namespace: string): string | undefined {
  if (!(kind === 'ConfigMap' ? dnsName : dnsLabel).test(metadata.name))
    return 'its name is not a DNS label (lower case, digits, dashes, at most 63 characters)'
  if (metadata.namespace !== undefined && metadata.namespace !== namespace)
    return `namespace ${metadata.namespace} is not the environment's (${namespace})`
  for (const field of ['generateName', 'finalizers', 'ownerReferences'])
    if (metadata[field] !== undefined) return `metadata.${field} not allowed`
  if (kind === 'ConfigMap' && metadata.name.startsWith(recordPrefix))
    return `names that begin with ${recordPrefix} are kept for releases`
  return undefined
}

function serviceObjection({ kind, spec }: RenderedObject): string | undefined {
  if (kind !== 'Service') return undefined
  const service = (spec ?? {}) as { type?: unknown; ports?: unknown } & Record<string, unknown>
  if (service.type !== undefined && service.type !== 'ClusterIP')
    return `spec.type ${service.type} not allowed, only ClusterIP`
  for (const field of ['externalIPs', 'externalName', 'loadBalancerIP'])
    if (service[field] !== undefined) return `spec.${field} not allowed`
  const ports = Array.isArray(service.ports) ? service.ports : []
  return ports.some((port) => port?.nodePort !== undefined) ? 'spec.ports.nodePort not allowed' : undefined
}

function templateObjection({ spec }: RenderedObject): string | undefined {
  const template = (spec as { template?: unknown } | undefined)?.template
  return template === undefined ? undefined : podObjection(template)
}
