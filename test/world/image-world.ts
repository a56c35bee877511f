import { mkdirSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import Docker from 'dockerode'
import { makeWorld, type WorldOptions } from './make-world.ts'
import { isOver } from './taxiway.ts'

/** A repository of images in a world of its own, on the shared engine and registry. */
export interface ImageWorld {
  world: Awaited<ReturnType<typeof makeWorld>>
  docker: Docker
  /** Changes files (null removes one), pushes, and waits until the run has ended. */
  run(pipeline: object, files?: Record<string, string | undefined>): Promise<{ run: any; log: string }>
  /** A manifest, or its configuration, as the registry has it. */
  manifest(image: string, reference: string): Promise<{ digest: string; type: string; text: string; body: any }>
  configOf(image: string, digest: string): Promise<any>
  /** Stops all, and removes the containers of this repository's releases: others work on this engine, too. */
  stop(): Promise<void>
}

const types = [
  'application/vnd.oci.image.index.v1+json',
  'application/vnd.oci.image.manifest.v1+json',
  'application/vnd.docker.distribution.manifest.v2+json',
]

/** Starts a world whose repository is `acme/<name>-<process>`, with the sample's files out of the way. */
export async function makeImageWorld(
  name: string,
  { roles = ['api', 'builder', 'status'], environment = {} }: Partial<WorldOptions> = {},
): Promise<ImageWorld> {
  const { REDIS_URL, DOCKER_HOST, TAXIWAY_REGISTRY } = process.env
  const world = await makeWorld({
    folder: mkdtempSync(join(tmpdir(), `taxiway-${name}-`)),
    environment: { REDIS_URL, DOCKER_HOST, TAXIWAY_REGISTRY, ...environment },
    target: 'docker',
    name: `acme/${name}-${process.pid}`,
    roles,
    say: () => {},
  })
  const docker = new Docker({ socketPath: (DOCKER_HOST ?? '').replace(/^unix:\/\//, '') })
  const registry = environment.TAXIWAY_REGISTRY ?? TAXIWAY_REGISTRY
  const [host, ...prefix] = (registry ?? '').split('/')
  const base = (image: string) => `http://${host}/v2/${[...prefix, world.repository.name, image].join('/')}`
  const manifest: ImageWorld['manifest'] = async (image, reference) => {
    const answer = await fetch(`${base(image)}/manifests/${reference}`, { headers: { accept: types.join(', ') } })
    if (!answer.ok) throw new Error(`${answer.status} for ${image}:${reference}`)
    const text = await answer.text()
    const [digest, type] = ['docker-content-digest', 'content-type'].map((header) => answer.headers.get(header) ?? '')
    return { digest: digest as string, type: type as string, text, body: JSON.parse(text) }
  }
  rmSync(join(world.tree, 'test.sh'))
  return {
    world,
    docker,
    manifest,
    async configOf(image, digest) {
      const { body } = await manifest(image, digest)
      return (await fetch(`${base(image)}/blobs/${body.config.digest}`)).json()
    },
    async run(pipeline, files = {}) {
      for (const file of Object.keys(files)) mkdirSync(dirname(join(world.tree, file)), { recursive: true })
      const text = JSON.stringify({ version: 1, on: { push: {} }, ...pipeline })
      const { runId } = await world.push({ ...files, '.taxiway.yaml': text }, 'Change')
      const run = await world.taxiway.waitRun(runId, isOver, 90_000)
      return { run, log: await world.taxiway.log(runId) }
    },
    async stop() {
      await world.taxiway.stop()
      const filters = { label: ['taxiway.role=release', `taxiway.repository=${world.repository.id}`] }
      for (const { Id } of await docker.listContainers({ all: true, filters }))
        await docker.getContainer(Id).remove({ force: true, v: true })
      await world.host.stop()
    },
  }
}
