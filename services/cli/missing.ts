import { access } from 'node:fs/promises'
import { join } from 'node:path'
import type { DeployOf, ImageOf, Pipeline } from '@taxiway/domain/pipeline/pipeline.ts'

interface Missing {
  path: string[]
  detail: string
}

/** What the pipeline names and the tree has not: Dockerfiles, contexts, manifests and values. */
export async function missingIn(root: string, pipeline: Pipeline): Promise<Missing[]> {
  const has = (path: string) =>
    access(join(root, path)).then(
      () => true,
      () => false,
    )
  const images = Object.entries(pipeline.images ?? {}).map(async ([name, image]) =>
    (await missingOfImage(image, has)).map(({ path, detail }) => ({ path: ['images', name, ...path], detail })),
  )
  const environments = Object.entries(pipeline.deploy ?? {}).map(async ([name, environment]) =>
    (await missingOfEnvironment(environment, has)).map(({ path, detail }) => ({
      path: ['deploy', name, ...path],
      detail,
    })),
  )
  return (await Promise.all([...images, ...environments])).flat()
}

type Has = (path: string) => Promise<boolean>

async function missingOfImage({ context = '.', dockerfile }: ImageOf, has: Has): Promise<Missing[]> {
  if (!(await has(context))) return [{ path: ['context'], detail: `the tree has no folder ${context}` }]
  const file = dockerfile ?? 'Dockerfile'
  if (await has(join(context, file))) return []
  if (dockerfile !== undefined && (await has(dockerfile))) return []
  const path = dockerfile === undefined ? [] : ['dockerfile']
  return [{ path, detail: `the tree has no ${join(context, file)}` }]
}

async function missingOfEnvironment({ components, manifests, values = [] }: DeployOf, has: Has): Promise<Missing[]> {
  if (components) return []
  const missing: Missing[] = []
  if (!(await has(manifests ?? 'k8s')))
    missing.push(
      manifests === undefined
        ? { path: [], detail: 'name its manifests or components: the tree has no folder k8s' }
        : { path: ['manifests'], detail: `the tree has no ${manifests}` },
    )
  for (const file of values)
    if (!(await has(file))) missing.push({ path: ['values'], detail: `the tree has no ${file}` })
  return missing
}
