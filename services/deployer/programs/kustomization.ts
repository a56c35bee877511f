import { readFile } from 'node:fs/promises'
import { join, relative, resolve } from 'node:path'
import { didYouMean } from '@taxiway/domain/pipeline/nearest.ts'
import { done, type Outcome, refuse } from '@taxiway/domain/reason.ts'
import { parseYaml } from '@taxiway/yaml/parse.ts'
import { isWithin, kindOf } from './copy.ts'

/** Names that kustomize looks for, in its order. */
export const kustomizationNames = ['kustomization.yaml', 'kustomization.yml', 'Kustomization'] as const

/** All that a kustomization may have: no generator, transformer, plugin, function or chart runs here. */
const known = [
  'apiVersion kind metadata namespace namePrefix nameSuffix commonLabels labels commonAnnotations resources bases components',
  'patches patchesStrategicMerge patchesJson6902 configMapGenerator secretGenerator generatorOptions images replicas replacements',
  'vars configurations crds openapi buildMetadata sortOptions',
].flatMap((words) => words.split(' '))
const mostFolders = 100
const maxBytes = 256 * 1024

type Json = Record<string, unknown>

/**
 * Refuses a kustomization that reaches beyond the tree: remote bases and files, plugins, functions, charts. Each path that it names
 * must be there: kustomize takes what is not for an address. Looks into all that it is made of.
 */
export async function checkKustomization(tree: string, folder: string): Promise<Outcome<void>> {
  const open = [folder]
  const seen = new Set<string>()
  for (let next = open.pop(); next !== undefined; next = open.pop()) {
    if (seen.has(next)) continue
    seen.add(next)
    if (seen.size > mostFolders)
      return refuse('manifest_invalid', {
        object: relative(tree, folder) || '.',
        detail: `it is made of more than ${mostFolders} folders`,
      })
    const found = await checkOne(tree, next)
    if (!found.ok) return found
    open.push(...found.value)
  }
  return done(undefined)
}

/** @returns the folders that it takes in */
async function checkOne(tree: string, folder: string): Promise<Outcome<string[]>> {
  const names = await Promise.all(
    kustomizationNames.map(async (name) => ((await kindOf(join(folder, name))) === 'file' ? [name] : [])),
  )
  const [name, ...others] = names.flat()
  const at = relative(tree, folder) || '.'
  const refusal = (detail: string) =>
    refuse('manifest_invalid', { object: join(at, name ?? 'kustomization.yaml'), detail })
  if (name === undefined || others.length > 0)
    return refusal(name ? `there is ${others[0]} as well` : 'it is not in the commit')
  const parsed = await parseYaml(await readFile(join(folder, name)), {
    refusal,
    documents: 'one',
    dialect: 'kubectl',
    maxBytes,
  })
  if (!parsed.ok) return parsed
  const value = parsed.value.documents[0]?.value
  if (typeof value !== 'object' || value === null) return refusal('it is no map')
  const foreign = Object.keys(value).find((key) => !known.includes(key))
  if (foreign !== undefined) return refusal(objectionTo(foreign))
  const folders: string[] = []
  for (const entry of pathsIn(value as Json)) {
    const path = resolve(folder, entry)
    const kind = isWithin(tree, path) ? await kindOf(path) : undefined
    if (kind === undefined)
      return refusal(
        `${entry.slice(0, 200)} is not in the commit, and nothing is fetched from elsewhere; commit what is needed of it`,
      )
    if (kind === 'folder') folders.push(path)
  }
  return done(folders)
}

/** Keys that run something else: charts, plugins, functions. */
const closed = ['generators', 'transformers', 'validators', 'helmCharts', 'helmGlobals', 'helmChartInflationGenerator']

function objectionTo(key: string): string {
  if (key.startsWith('helm')) return `${key} is not allowed here; name the chart itself as manifests`
  if (closed.includes(key)) return `${key} is not allowed here, as no plugin and no function runs`
  return `the key ${key.slice(0, 80)} is not allowed here${didYouMean(key, known)}`
}

/** Everything that kustomize would take for a path or an address, and so might fetch. */
function pathsIn(value: Json): string[] {
  const of = (key: string): unknown[] => [value[key] ?? []].flat()
  const fieldsOf = (key: string, ...fields: string[]) =>
    of(key).flatMap((item) => fields.flatMap((field) => [(item as Json | null)?.[field] ?? []].flat()))
  const generators = ['configMapGenerator', 'secretGenerator']
  const paths = [
    ...['resources', 'bases', 'components', 'configurations', 'crds'].flatMap(of),
    ...fieldsOf('openapi', 'path'),
    ...['patches', 'patchesJson6902', 'replacements'].flatMap((key) => fieldsOf(key, 'path')),
    // One of more lines stands in the file itself.
    ...of('patchesStrategicMerge').filter((patch) => !String(patch).includes('\n')),
    ...generators.flatMap((key) => fieldsOf(key, 'env', 'envs')),
    ...generators.flatMap((key) => fieldsOf(key, 'files')).map((file) => String(file).replace(/^[^=]*=/, '')),
  ]
  return paths.map(String)
}
