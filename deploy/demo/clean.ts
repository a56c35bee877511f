import { existsSync } from 'node:fs'
import { connectEngine } from '@taxiway/docker/engine/engine.ts'
import { makeRegistryApi } from '@taxiway/registry/api.ts'
import { engineAnswers } from '../local/engine-api.ts'
import { removeNamespaces } from './cluster.ts'
import { leaveDatabase } from './database.ts'
import type { Mark } from './mark.ts'

interface Cleaning {
  /** The engine of now: an earlier demo may have started the same one itself. */
  dockerHost: string
  say: (line: string) => void
}

/** Where the images of a demo are, in a registry of host or host/prefix. */
export const registryOf = (registry: string, id: string): string => `${registry}/taxiway-demo-${id}`

/**
 * Takes away all that a demo has made outside its own folder, and only that: what bears its id or its installation.
 * @returns what could not be taken away, in words; then it is tried again later
 */
export async function clean(mark: Mark, { dockerHost, say }: Cleaning): Promise<string[]> {
  const problems: string[] = []
  const part = (what: string, work: () => Promise<void>) =>
    work().catch((error: Error) => void problems.push(`${what}: ${error.message}`))
  const { id, kubeconfig, redis, registry } = mark
  if (kubeconfig)
    await part('the cluster', async () => {
      if (!existsSync(kubeconfig)) throw new Error(`${kubeconfig} is gone`)
      await removeNamespaces(kubeconfig, id)
    })
  // One that was started for that demo has ended with it.
  for (const host of new Set([dockerHost, mark.dockerHost ?? dockerHost]))
    if (await engineAnswers(host)) await part('the engine', () => cleanEngine(host, mark))
  if (registry) await part('the registry', () => cleanRegistry(registry, id, say))
  if (redis) await part('Redis', () => leaveDatabase(redis, id))
  return problems
}

/** Containers, then what they hold: networks, volumes and images. */
async function cleanEngine(dockerHost: string, { id, installation, repository, baseImages = [] }: Mark): Promise<void> {
  const { docker } = connectEngine({ dockerHost })
  const labels = [`taxiway.installation=${installation}`, ...(repository ? [`taxiway.repository=${repository}`] : [])]
  for (const label of labels) {
    const filters = { label: [label] }
    for (const { Id } of await docker.listContainers({ all: true, filters }))
      await gone(docker.getContainer(Id).remove({ force: true, v: true }))
    for (const { Id } of await docker.listNetworks({ filters })) await gone(docker.getNetwork(Id).remove())
    for (const { Name } of (await docker.listVolumes({ filters })).Volumes ?? [])
      await gone(docker.getVolume(Name).remove())
  }
  const isOurs = (name: string) =>
    name.includes(`/taxiway-demo-${id}/`) ||
    name.startsWith(`taxiway-work/${installation}.`) ||
    baseImages.includes(name)
  const images = await docker.listImages()
  for (const name of images.flatMap(({ RepoTags, RepoDigests }) => [...(RepoTags ?? []), ...(RepoDigests ?? [])]))
    if (isOurs(name)) await gone(docker.getImage(name).remove())
}

/** What is gone already, or in use by somebody else, is no fault. */
async function gone(removing: Promise<unknown>): Promise<void> {
  await removing.catch((error: Error & { statusCode?: number }) => {
    if (error.statusCode !== 404 && error.statusCode !== 409) throw error
  })
}

/** The images of the sample repository. */
async function cleanRegistry(registry: string, id: string, say: (line: string) => void): Promise<void> {
  const [host = '', ...path] = registryOf(registry, id).split('/')
  const repository = [...path, 'acme/web/web'].join('/')
  const api = makeRegistryApi(host, undefined, AbortSignal.timeout(30_000))
  for (const tag of await api.tags(repository)) {
    const digest = await api.digest(repository, tag)
    if (digest && (await api.remove(repository, digest)) === 'not_allowed')
      return say(`${host}/${repository} stays in the registry, which allows no removal`)
  }
}
