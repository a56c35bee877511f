import { readdir } from 'node:fs/promises'
import { join } from 'node:path'
import { label, runOfImage } from '@taxiway/docker/engine/labels.ts'
import type Docker from 'dockerode'
import { isAbsent, type Look } from './observed.ts'

/**
 * 5. No container, network, volume, image or workspace of a terminal run is left. What stays by right: containers and network of
 * the release that is live on the docker target, the caches of tests, the images that were published.
 */
export async function nothingIsLeft(look: Look): Promise<string[]> {
  const over = new Set(look.runs.filter((run) => !look.mayBeOpen(run)).map(({ id }) => id))
  const files = await filesOf(look.taxiway.data, over)
  if (isAbsent(look.engine)) return files
  return [...files, ...(await workOf(look, look.engine, over)), ...(await oldReleasesOf(look, look.engine))]
}

async function filesOf(data: string, over: Set<string>): Promise<string[]> {
  const wrong: string[] = []
  for (const kind of ['workspaces', 'rendering'])
    for (const name of await readdir(join(data, kind)).catch(() => []))
      if (kind === 'rendering' || over.has(name.split('-')[0] as string))
        wrong.push(`${kind}/${name} is left in the data folder`)
  return wrong
}

type Labels = Record<string, string> | null | undefined

/** What was made for the work of runs. */
async function workOf({ repositories }: Look, docker: Docker, over: Set<string>): Promise<string[]> {
  const filters = { label: [`${label.role}=work`] }
  const names = new Set(repositories.flatMap(({ id, name }) => [id, name]))
  const isOurs = (labels: Labels) => over.has(labels?.[label.run] ?? '') || names.has(labels?.[label.repository] ?? '')
  const isOpen = (labels: Labels) => !over.has(labels?.[label.run] ?? '') && names.has(labels?.[label.repository] ?? '')
  const [containers, networks, volumes, images] = await Promise.all([
    docker.listContainers({ all: true, filters }),
    docker.listNetworks({ filters }),
    docker.listVolumes({ filters }),
    docker.listImages({ filters: { reference: ['taxiway-work/*'] } }),
  ])
  const found: [string, string, Labels][] = [
    ...containers.map((one): [string, string, Labels] => ['container', one.Names.join(), one.Labels]),
    ...networks.map((one): [string, string, Labels] => ['network', one.Name, one.Labels]),
    ...(volumes.Volumes ?? []).map((one): [string, string, Labels] => ['volume', one.Name, one.Labels]),
  ]
  return [
    ...found
      .filter(([, , labels]) => isOurs(labels) && !isOpen(labels))
      .map(([kind, name]) => `${kind} ${name} is left in the engine`),
    ...images
      .flatMap(({ RepoTags }) => RepoTags ?? [])
      .filter((name) => over.has(runOfImage(name) ?? ''))
      .map((name) => `image ${name} is left in the engine`),
  ]
}

/**
 * Containers of releases that are not live any more. One that an earlier release made may have been taken over by the live one: then
 * it is of the newest template of its workload.
 */
async function oldReleasesOf({ repositories, taxiway }: Look, docker: Docker): Promise<string[]> {
  const wrong: string[] = []
  for (const { id } of repositories) {
    const filters = { label: [`${label.repository}=${id}`] }
    const containers = await docker.listContainers({ all: true, filters })
    for (const { Names, Labels, State } of containers) {
      if (Labels[label.role] === 'work') continue
      const environment = Labels[label.environment] ?? ''
      const { body } = await taxiway.call('GET', `/repos/${id}/environments/${environment}/releases?limit=100`)
      const releases = (body.items ?? []) as {
        generation: number
        repeats?: number
        state: string
        current?: boolean
      }[]
      const origin = (one: { generation: number; repeats?: number } | undefined) => one?.repeats ?? one?.generation
      const current = releases.find((one) => one.current)
      const own = releases.find(({ generation }) => String(generation) === Labels[label.generation])
      const isLeft = own === releases[0] && own?.state === 'failed'
      const isReplaced = containers.some(
        (other) =>
          [label.environment, label.step].every((name) => other.Labels[name] === Labels[name]) &&
          other.Labels[label.template] !== Labels[label.template] &&
          generationOf(other.Labels) > generationOf(Labels) &&
          generationOf(other.Labels) <= (origin(current) ?? 0),
      )
      if (!isLeft && (own === undefined || isReplaced || (origin(own) ?? 0) > (origin(current) ?? 0)))
        wrong.push(
          `container ${Names.join()} (${State}) of release ${Labels[label.generation]} to ${environment} is left in the engine`,
        )
    }
  }
  return wrong
}

const generationOf = (labels: Record<string, string>): number => Number(labels[label.generation] ?? 0)
