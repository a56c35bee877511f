import { createHash } from 'node:crypto'
import type { RenderedObject } from '@taxiway/domain/environment/release.ts'
import { configNamesIn, withConfigNames } from '@taxiway/kubernetes/config-names.ts'
import { keys } from '@taxiway/kubernetes/object.ts'
import { isMap, podTemplatesOf } from './templates.ts'

const kinds = ['ConfigMap', 'Secret']
/** Of the name of an object. */
const longestName = 253

/**
 * Names the ConfigMaps and Secrets of a release that its pods use by their content, and has pods (and Ingresses) name them so:
 * a change of one makes exactly those pods anew that use it, and no old pod sees the new values. Others keep their names,
 * as programs may read them by these. Pure; the objects given are not changed.
 */
export function nameByContent(objects: readonly RenderedObject[]): RenderedObject[] {
  const made = structuredClone(objects) as RenderedObject[]
  const pods = made.flatMap(podTemplatesOf).filter(({ spec }) => isMap(spec))
  const used = new Set(pods.flatMap(({ spec }) => [...configNamesIn(spec as Record<string, unknown>)]))
  const names = new Map<string, string>()
  for (const object of made.filter(({ kind }) => kinds.includes(kind))) {
    const { name } = object.metadata
    if (!used.has(`${object.kind}/${name}`)) continue
    const hash = contentHash(object)
    const hashed = `${name.slice(0, longestName - hash.length - 1)}-${hash}`
    names.set(`${object.kind}/${name}`, hashed)
    object.metadata = {
      ...object.metadata,
      name: hashed,
      annotations: { ...object.metadata.annotations, [keys.configOf]: name },
    }
  }
  const rename = (kind: string, name: string) => names.get(`${kind}/${name}`) ?? name
  for (const pod of pods) pod.spec = withConfigNames(pod.spec as Record<string, unknown>, rename)
  for (const { kind, spec } of made)
    if (kind === 'Ingress' && isMap(spec) && Array.isArray(spec.tls))
      for (const one of spec.tls)
        if (typeof one?.secretName === 'string') one.secretName = rename('Secret', one.secretName)
  return made
}

/** Of what pods can see of it, whatever the order of its keys. */
function contentHash({ data, binaryData, stringData, type }: RenderedObject): string {
  const sorted = (value: unknown) => (isMap(value) ? Object.entries(value).sort(([a], [b]) => (a < b ? -1 : 1)) : [])
  const text = JSON.stringify([sorted(data), sorted(binaryData), sorted(stringData), type ?? ''])
  return createHash('sha256').update(text).digest('hex').slice(0, 10)
}
