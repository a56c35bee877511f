import type { Config } from '@taxiway/chassis/config.ts'
import type { Engine } from '@taxiway/docker/engine/engine.ts'
import type { Target } from '@taxiway/domain/environment/target.ts'
import type { Work } from '@taxiway/domain/environment/work.ts'
import type { RepositoryId } from '@taxiway/domain/ids.ts'
import { done, type Outcome, refuse } from '@taxiway/domain/reason.ts'
import type { ClusterAccesses } from '@taxiway/store/access/cluster-access.ts'
import type { RegistryCredentials } from '@taxiway/store/access/registries.ts'
import type { Store } from '@taxiway/store/store.ts'

/** What TAXIWAY_SERVES calls the cluster that a deployer rolls out to when no other is named. */
const kubeconfigName = 'kubeconfig'

/** The name that TAXIWAY_SERVES has for a target. */
export const targetName = (kind: string | undefined, cluster: string | undefined): string =>
  kind === 'docker' ? 'docker' : (cluster ?? kubeconfigName)

/** The places releases can go to. */
export interface Targets {
  /**
   * The target of a repository: its own setting, else the configuration's, else the cluster that KUBECONFIG names or this
   * process runs in, else the engine. A cluster that is named is a registered one, else a context of KUBECONFIG. A cluster that
   * is away is waited for; what this deployer does not serve is refused.
   */
  choose(
    repo: RepositoryId,
    cluster: string | undefined,
    work: Work,
    /** Of a target that was chosen before, whatever is set by now. */
    kind?: Target['kind'],
  ): Promise<Outcome<Target>>
  /** The name of the target, as TAXIWAY_SERVES has it, when this deployer does not serve it. Asked as `choose` is. */
  elsewhere(repo: RepositoryId, cluster: string | undefined, kind?: Target['kind']): Promise<string | undefined>
  /** Asks every cluster that was chosen so far. @returns a sentence for each that does not answer */
  troubles(work: Work): Promise<string[]>
}

/** Loads a target only when the first release needs it: the Kubernetes client alone costs 90 MB. */
export function makeTargets({
  config,
  store,
  accesses,
  connect,
}: {
  config: Config
  store: Store
  accesses: ClusterAccesses
  connect: () => Promise<Engine>
}): Targets {
  const options = {
    allowedOrigins: config.allowedOrigins,
    controllers: config.controllers,
    registryAuths: () => store.registries.credentials(config.registry),
  }
  const clusters = new Map<string, { name: string; target: Promise<Target> }>()
  let machine: Promise<Target> | undefined
  const docker = () => {
    machine ??= openMachine(config, store, connect).catch((error) => {
      machine = undefined
      throw error
    })
    return machine
  }
  const keep = (key: string, name: string, open: () => Promise<Target>) => {
    const known = clusters.get(key) ?? { name, target: open() }
    clusters.set(key, known)
    return known.target
  }
  const hasCluster = config.kubeconfig !== undefined || config.isInCluster
  const kubernetes = async (cluster: string | undefined): Promise<Outcome<Target>> => {
    if (cluster !== undefined && (await accesses.revision(cluster)))
      return done(await keep(`registered ${cluster}`, cluster, () => openRegistered(options, accesses, cluster)))
    if (hasCluster && (cluster === undefined || config.kubeconfig))
      return done(
        await keep(`context ${cluster ?? ''}`, targetName('kubernetes', cluster), () =>
          openCluster(config, options, cluster),
        ),
      )
    const detail = cluster === undefined ? 'KUBECONFIG is not set' : `no cluster ${cluster} is registered`
    return refuse('target_unavailable', { detail })
  }
  /** A repository's own setting stands above the configuration. */
  const kindOf = async (repo: RepositoryId, cluster: string | undefined): Promise<Target['kind'] | 'neither'> => {
    const own = (await store.repositories.read(repo))?.deploy.target
    if (cluster) return own === 'docker' ? 'neither' : 'kubernetes'
    if (own !== undefined) return own
    if (config.target !== 'auto') return config.target
    return hasCluster ? 'kubernetes' : 'docker'
  }
  const elsewhere: Targets['elsewhere'] = async (repo, cluster, kind) => {
    if (config.serves.length === 0) return undefined
    const name = targetName(kind ?? (await kindOf(repo, cluster)), cluster)
    return config.serves.includes(name) ? undefined : name
  }
  return {
    async choose(repo, cluster, _work, kind) {
      const chosen = kind ?? (await kindOf(repo, cluster))
      if (chosen === 'neither')
        return refuse('target_unavailable', {
          detail: `the repository's target is docker, so it can't go to cluster ${cluster}`,
        })
      const name = await elsewhere(repo, cluster, chosen)
      if (name !== undefined) return refuse('target_unserved', { target: name })
      return chosen === 'docker' ? done(await docker()) : kubernetes(cluster)
    },
    elsewhere,
    async troubles(work) {
      const asked = [...clusters.values()].map(async ({ name, target }) => {
        const answer = await (await target).ground(work)
        return answer.ok ? [] : [`Cluster ${name}: ${answer.reason.message}`]
      })
      return (await Promise.all(asked)).flat()
    },
  }
}

async function openMachine(config: Config, store: Store, connect: () => Promise<Engine>) {
  const { makeDockerTarget } = await import('./docker.ts')
  const { engineId } = await import('@taxiway/docker/engine/engine-info.ts')
  const engine = await connect()
  return makeDockerTarget({
    engine,
    stateFolder: config.dataFolder,
    registryAuths: () => store.registries.credentials(config.registry),
    async onImage(image, wasPulled) {
      const id = await engineId(engine)
      await store.pulledImages[wasPulled ? 'pulled' : 'used'](id, image)
    },
  })
}

interface ClusterOptions {
  allowedOrigins: readonly string[]
  controllers: readonly string[]
  registryAuths: () => Promise<RegistryCredentials>
}

async function openCluster(config: Config, options: ClusterOptions, context: string | undefined): Promise<Target> {
  const { makeKubernetesTarget } = await import('./kubernetes.ts')
  if (config.kubeconfig)
    return makeKubernetesTarget({ kubeconfig: config.kubeconfig, ...(context ? { context } : {}) }, options)
  const { connectCluster } = await import('@taxiway/kubernetes/cluster/connection.ts')
  const own = { revision: async () => 'own', connect: async () => connectCluster({ access: { inCluster: true } }) }
  return makeKubernetesTarget(own, options)
}

/** A registered cluster. Its access is opened when a connection is made, and again when it was written anew. */
async function openRegistered(options: ClusterOptions, accesses: ClusterAccesses, name: string): Promise<Target> {
  const { makeKubernetesTarget } = await import('./kubernetes.ts')
  const { connectCluster } = await import('@taxiway/kubernetes/cluster/connection.ts')
  const door = {
    revision: () => accesses.revision(name),
    async connect() {
      const opened = await accesses.open(name)
      if (!opened) throw new Error(`cluster ${name} is not registered any more`)
      return connectCluster({ access: opened.access })
    },
  }
  return makeKubernetesTarget(door, options)
}
