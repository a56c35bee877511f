import { mkdirSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import Docker from 'dockerode'
import { commitAndPush } from '../git-host/push.ts'
import { startGitHost } from '../git-host/server.ts'
import { machineSide } from './machine-side.ts'
import { makeTaxiway } from './taxiway.ts'
import { check, copySample, eventually, type World, writeFiles } from './world.ts'

export interface WorldOptions {
  folder: string
  /** REDIS_URL, DOCKER_HOST, TAXIWAY_REGISTRY and, for the kubernetes target, KUBECONFIG. */
  environment: Record<string, string | undefined>
  target: 'docker' | 'kubernetes'
  /** Owner/name of the sample repository. */
  name?: string
  /** Where its releases go; by default, named after the repository. */
  namespace?: string
  /** Roles of the first process; all, unless told. */
  roles?: string[]
  /** The proxy of the docker target as a process of its own, as in the compose file. */
  ownProxy?: boolean
  say(line: string): void
}

interface Stoppable {
  /** Registers the repository again, after it was removed. */
  register(): Promise<{ id: string }>
  stop(): Promise<void>
}

/** A whole world for scenes: git host, Taxiway with all roles, the sample repository registered through the API. */
export async function makeWorld(options: WorldOptions): Promise<World & Stoppable> {
  const { folder, target, say } = options
  const name = options.name ?? 'acme/web'
  const namespace = options.namespace ?? `taxiway-${name.replaceAll(/[^a-z0-9]+/g, '-')}`
  const namespaceOf = (environment = 'production') =>
    environment === 'production' ? namespace : `${namespace}-${environment.replace('.', '-')}`
  const token = 'a-token-of-the-sample-host'
  const host = await startGitHost({ folder: join(folder, 'git-host') })
  const { cloneUrl } = await host.createRepository(name, { token })
  const taxiway = await makeTaxiway({
    folder: join(folder, 'taxiway'),
    environment: {
      ...options.environment,
      TAXIWAY_TARGET: target,
      TAXIWAY_ALLOWED_ORIGINS: host.url,
    },
  })
  if (options.ownProxy) await taxiway.start(['proxy'])
  await taxiway.start(options.roles)
  const register = async (): Promise<{ id: string; webhook: { url: string; secret: string } }> => {
    const registered = await taxiway.call('POST', '/repos', {
      host: 'github',
      url: cloneUrl,
      apiUrl: `${host.url}/api/v3`,
      token,
    })
    check(registered.status === 201, `the repository to be registered: ${JSON.stringify(registered.body)}`)
    await host.setWebhook(name, registered.body.webhook)
    return registered.body
  }
  const { id, webhook } = await register()
  const tree = join(folder, 'tree')
  rmSync(tree, { recursive: true, force: true })
  mkdirSync(tree, { recursive: true })
  copySample(tree, namespace)
  const side = await machineSide({
    target,
    namespaceOf,
    repositoryId: id,
    dataFolder: join(folder, 'taxiway', 'data'),
    environment: options.environment,
  })
  return {
    host,
    register,
    taxiway,
    repository: { id, name },
    namespace,
    tree,
    address: side.address,
    pushUrl: cloneUrl.replace('://', `://git:${token}@`),
    visit: side.visit,
    runningDigests: side.runningDigests,
    observed: {
      taxiway,
      repositories: [{ id, name }],
      host,
      engine: new Docker({ socketPath: (options.environment.DOCKER_HOST ?? '').replace(/^unix:\/\//, '') }),
      running: side.runningDigests,
      secrets: [token, webhook.secret, taxiway.token],
    },
    say,
    async push(files, message) {
      writeFiles(tree, files)
      const sha = await commitAndPush(tree, { url: cloneUrl, token, message, branch: 'main' })
      const run = await eventually(async () => {
        const { body } = await taxiway.call('GET', `/runs?repo=${id}&sha=${sha}`)
        check(body.items?.length > 0, `a run for ${sha}`)
        return body.items[0]
      }, 10_000)
      return { sha, runId: run.id }
    },
    async statuses(sha) {
      return Object.fromEntries(
        Object.entries(await host.latest(name, sha)).map(([context, { state, description }]) => [
          context,
          { state, description: description ?? '' },
        ]),
      )
    },
    async stop() {
      await taxiway.stop()
      await side.clean()
      await host.stop()
    },
  }
}
