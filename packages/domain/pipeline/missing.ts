import type { DeployOf, ImageOf, Pipeline, TestOf } from './pipeline.ts'
import type { Problem } from './schema-problem.ts'

/** Has the tree a file or folder of this path? */
export type Has = (path: string) => boolean | Promise<boolean>

/** What the pipeline names and the tree has not: Dockerfiles, contexts, keys of caches, manifests and values. */
export async function missingIn(pipeline: Pipeline, has: Has): Promise<Problem[]> {
  const under = async (path: Problem['path'], found: Promise<Problem[]>) =>
    (await found).map((one) => ({ ...one, path: [...path, ...one.path] }))
  const { images = {}, test = {}, deploy = {} } = pipeline
  const all = await Promise.all([
    ...Object.entries(images).map(([name, image]) => under(['images', name], missingOfImage(image, has))),
    ...Object.entries(test).map(([name, one]) => under(['test', name], missingOfTest(one, has))),
    ...Object.entries(deploy).map(([name, one]) => under(['deploy', name], missingOfEnvironment(one, has))),
  ])
  return all.flat()
}

/**
 * Tells of a list of paths, as `git ls-files` writes it: what stands there, and the folders above. What lies below one that stands there is taken to
 * be there, as that may be a link to a folder.
 */
export function listed(paths: readonly string[]): Has {
  const whole = new Set(paths.map((path) => normal(path)))
  const sorted = [...whole].sort()
  const isFolder = (path: string) => path === '.' || firstFrom(sorted, `${path}/`)?.startsWith(`${path}/`) === true
  return (asked) => {
    const path = normal(asked)
    return whole.has(path) || isFolder(path) || foldersOf(path).some((folder) => whole.has(folder))
  }
}

/** The first of a sorted list that is not before the text. */
function firstFrom(sorted: readonly string[], text: string): string | undefined {
  let [low, high] = [0, sorted.length]
  while (low < high) {
    const middle = (low + high) >> 1
    if ((sorted[middle] as string) < text) low = middle + 1
    else high = middle
  }
  return sorted[low]
}

const foldersOf = (path: string): string[] =>
  [...path.matchAll(/\//g)].map(({ index }) => path.slice(0, index)).filter((folder) => folder !== '')

/** A path of the tree without what changes nothing: `./a//b/../c/` is `a/c`. */
function normal(path: string): string {
  const parts: string[] = []
  for (const part of path.split('/'))
    if (part === '..' && parts.length > 0 && parts.at(-1) !== '..') parts.pop()
    else if (part !== '' && part !== '.') parts.push(part)
  return parts.join('/') || '.'
}

async function missingOfImage({ context = '.', dockerfile }: ImageOf, has: Has): Promise<Problem[]> {
  if (!(await has(context))) return [{ path: ['context'], detail: `the tree has no folder ${context}` }]
  const inContext = normal(`${context}/${dockerfile ?? 'Dockerfile'}`)
  if (await has(inContext)) return []
  if (dockerfile !== undefined && (await has(dockerfile))) return []
  const path = dockerfile === undefined ? [] : ['dockerfile']
  return [{ path, detail: `the tree has no ${inContext}` }]
}

async function missingOfTest({ cache = [] }: TestOf, has: Has): Promise<Problem[]> {
  const missing: Problem[] = []
  for (const [index, { key }] of cache.entries())
    for (const [at, file] of key.entries())
      if (!(await has(file))) missing.push({ path: ['cache', index, 'key', at], detail: `the tree has no ${file}` })
  return missing
}

async function missingOfEnvironment({ components, manifests, values = [] }: DeployOf, has: Has): Promise<Problem[]> {
  if (components) return []
  const missing: Problem[] = []
  if (!(await has(manifests ?? 'k8s')))
    missing.push(
      manifests === undefined
        ? { path: [], detail: 'name its manifests or components: the tree has no folder k8s' }
        : { path: ['manifests'], detail: `the tree has no ${manifests}` },
    )
  for (const [index, file] of values.entries())
    if (!(await has(file))) missing.push({ path: ['values', index], detail: `the tree has no ${file}` })
  return missing
}
