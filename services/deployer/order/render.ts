import { turnOf } from '@taxiway/domain/cluster/kinds.ts'
import type { ReleaseOrder, RenderedObject } from '@taxiway/domain/environment/release.ts'
import { done, type Outcome, refuse } from '@taxiway/domain/reason.ts'
import { keys } from '@taxiway/kubernetes/object.ts'
import { normalize } from './normalize.ts'
import { fillInPod } from './pod-defaults.ts'
import { containersOf, isMap, podTemplatesOf } from './templates.ts'

/** Everything of an order that does not come from the manifests, and the pipeline's images by name. */
export type RenderContext = Omit<ReleaseOrder, 'objects' | 'digests'> & {
  /** Of the pipeline's images: `{ web: 'registry/prefix/name@sha256:…' }` */
  references: Readonly<Record<string, string>>
  /** What stands in the place of other images, and of the pipeline's by other names (resolveImages). */
  resolved?: Readonly<Record<string, string>>
  /** Registries whose credentials pods are given. */
  pullHosts?: ReadonlySet<string>
}

type Json = Record<string, unknown>
const listOf = (value: unknown): Json[] => (Array.isArray(value) ? value.filter(isMap) : [])

/**
 * Objects (already checked by the policy) and digests make what is applied, in order of application. Pure, and of no run: what
 * has not changed is the same in every release. The objects given are not changed. `image_unresolved` for an image that is neither
 * the pipeline's nor pinned by digest.
 */
export function render(
  objects: readonly RenderedObject[],
  context: RenderContext,
): Outcome<Pick<ReleaseOrder, 'objects' | 'digests'>> {
  const used = new Set<string>()
  const rendered: RenderedObject[] = []
  for (const source of objects) {
    const object = normalize(structuredClone(source))
    const unresolved = putDigests(object, context, used)
    if (unresolved !== undefined)
      return refuse('image_unresolved', { object: `${object.kind}/${object.metadata.name}`, image: unresolved })
    rendered.push(mark(object, context))
  }
  rendered.sort((a, b) => turnOf(a) - turnOf(b))
  return done({ objects: rendered, digests: [...used] })
}

/** @returns the first image that is neither the pipeline's, nor resolved, nor pinned by digest */
function putDigests(
  object: RenderedObject,
  { references, resolved = {} }: RenderContext,
  used: Set<string>,
): string | undefined {
  for (const container of podTemplatesOf(object).flatMap(containersOf)) {
    const image = String(container.image ?? '')
    const known = [resolved, references].find((one) => Object.hasOwn(one, image))
    const reference = known?.[image]
    if (reference) {
      container.image = reference
      if (Object.values(references).includes(reference)) used.add(reference)
    } else if (!/@sha256:[0-9a-f]{64}$/.test(image)) return image || '(none)'
  }
  return undefined
}

/**
 * Namespace, labels, and the defaults that older clusters don't fill in for server-side apply. Nothing of the run or the
 * place stands in a pod's template: what has not changed is not rolled.
 */
function mark(object: RenderedObject, context: RenderContext): RenderedObject {
  const labels = {
    [keys.managedBy]: 'taxiway',
    [keys.repository]: context.repositoryId,
    [keys.environment]: context.environment,
  }
  const { name, labels: given, annotations } = object.metadata
  object.metadata = {
    name,
    namespace: context.namespace,
    labels: { ...given, ...labels },
    ...(annotations ? { annotations } : {}),
  }
  if (object.kind === 'Service' && isMap(object.spec)) withProtocol(object.spec.ports)
  // A name and no more: its token is for those that an admin ruled.
  if (object.kind === 'ServiceAccount') object.automountServiceAccountToken = false
  for (const template of podTemplatesOf(object)) {
    if (isMap(template.spec) && context.pods !== 'as_written') fillInPod(template.spec, context.pullHosts)
    for (const container of containersOf(template)) withProtocol(container.ports)
  }
  return object
}

function withProtocol(ports: unknown): void {
  for (const port of listOf(ports)) port.protocol ??= 'TCP'
}
