import { dirname } from 'node:path'
import { kindName } from '@taxiway/domain/cluster/kinds.ts'
import type { RenderedObject } from '@taxiway/domain/environment/release.ts'
import { done, type Outcome, refuse } from '@taxiway/domain/reason.ts'
import { isMap } from '../order/templates.ts'

const objectLimit = 200
const listDepthLimit = 3

const invalid = (object: string, detail: string) => refuse('manifest_invalid', { object, detail })

/** The file that a document comes from, as far as that is known. */
export type FileOf = (document: unknown) => string | undefined

/** ` in k8s/web.yaml`, or nothing. */
const placeIn = (file: string | undefined): string => (file === undefined ? '' : ` in ${file}`)

/** The objects in documents: empty ones are left out, `List`s are opened; names are there and not doubled. */
export function flatten(
  documents: readonly unknown[],
  fileOf: FileOf,
): Outcome<{ objects: RenderedObject[]; titleOf: (object: RenderedObject) => string }> {
  const objects: RenderedObject[] = []
  const files = new Map<object, string | undefined>()
  const titleOf = (object: RenderedObject) => `${object.kind}/${object.metadata.name}${placeIn(files.get(object))}`
  const known = new Map<string, RenderedObject>()
  const add = (document: unknown, depth: number, file: string | undefined): Outcome<void> => {
    const place = placeIn(file)
    if (document === null || document === undefined) return done(undefined)
    if (!isMap(document)) return invalid(`A manifest${place}`, 'it is not an object')
    const { apiVersion, kind, metadata } = document
    if (typeof kind !== 'string' || typeof apiVersion !== 'string')
      return invalid(`A manifest${place}`, 'apiVersion or kind is missing')
    if (kind.endsWith('List') && Array.isArray(document.items)) {
      if (depth >= listDepthLimit) return invalid(`${kind}${place}`, `lists are nested deeper than ${listDepthLimit}`)
      for (const item of document.items) {
        const added = add(item, depth + 1, file)
        if (!added.ok) return added
      }
      return done(undefined)
    }
    if (!isMap(metadata)) return invalid(`${kind}${place}`, 'metadata is missing')
    if (typeof metadata.name !== 'string')
      return metadata.generateName === undefined
        ? invalid(`${kind}${place}`, 'metadata.name is missing')
        : refuse('manifest_forbidden', {
            object: `${kind}${place}`,
            detail: 'metadata.generateName not allowed',
            hint: 'Give it a metadata.name',
          })
    const object = document as unknown as RenderedObject
    files.set(object, file)
    const key = `${kindName(object)}/${object.metadata.name}`
    const twin = known.get(key)
    if (twin) return invalid(`${kind}/${metadata.name}`, `it is there twice${bothIn(files.get(twin), file)}`)
    if (objects.length >= objectLimit) return invalid('The manifests', `they hold more than ${objectLimit} objects`)
    known.set(key, object)
    objects.push(object)
    return done(undefined)
  }
  for (const document of documents) {
    const added = add(document, 0, fileOf(document))
    if (!added.ok) return added
  }
  return objects.length > 0 ? done({ objects, titleOf }) : invalid('The manifests', 'they hold no object')
}

/** Where two of one name are. Who has a folder for each environment is told why both are read. */
function bothIn(one: string | undefined, other: string | undefined): string {
  if (one === undefined || other === undefined) return ''
  if (one === other) return ` in ${one}`
  const isOneFolder = dirname(one) === dirname(other)
  const why = isOneFolder ? '' : '; folders below that of manifests are read too, so name one of them'
  return `, in ${one} and in ${other}${why}`
}
