import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import type { Config } from '@taxiway/chassis/config.ts'
import type { Engine } from '@taxiway/docker/engine.ts'
import type { RepositoryId } from '@taxiway/domain/ids.ts'
import { done, type Outcome, refuse } from '@taxiway/domain/reason.ts'
import { patiently } from '@taxiway/store/connection.ts'
import type { Store } from '@taxiway/store/store.ts'
import type { Target, Work } from './target.ts'
import { stateFile } from './targets/docker-state.ts'

const reopenMs = 1000

/** The places releases can go to. */
export interface Targets {
  /** The target of a repository: its own setting, else the configuration's, else the cluster that KUBECONFIG names, else the engine. A cluster that is away is waited for. */
  choose(repo: RepositoryId, work: Work): Promise<Outcome<Target>>
  /** Serves again what the docker target had live; tries until the engine is there. */
  open(signal: AbortSignal): Promise<void>
  close(): Promise<void>
}

/** Loads a target only when the first release needs it: the Kubernetes client alone costs 90 MB. */
export function makeTargets({
  config,
  store,
  connect,
}: {
  config: Config
  store: Store
  connect: () => Promise<Engine>
}): Targets {
  const clusters = new Map<string, Promise<Target>>()
  let machine: Promise<Target & { close(): Promise<void> }> | undefined
  const docker = () => {
    machine ??= openMachine(config, store, connect).catch((error) => {
      machine = undefined
      throw error
    })
    return machine
  }
  const kubernetes = (context: string | undefined) => {
    const known = clusters.get(context ?? '') ?? openCluster(config, context)
    clusters.set(context ?? '', known)
    return known
  }
  return {
    async choose(repo) {
      const repository = await store.repositories.read(repo)
      const wanted = repository?.deploy.target ?? (repository?.deploy.cluster ? 'kubernetes' : config.target)
      if (wanted === 'docker' || (wanted === 'auto' && !config.kubeconfig)) return done(await docker())
      if (!config.kubeconfig) return refuse('target_unavailable', { detail: 'KUBECONFIG is not set' })
      return done(await kubernetes(repository?.deploy.cluster))
    },
    async open(signal) {
      if (!existsSync(join(config.dataFolder, stateFile))) return
      while (!signal.aborted) {
        const opened = await docker().then(
          () => true,
          () => false,
        )
        if (opened) return
        await sleep(reopenMs, undefined, { signal }).catch(() => undefined)
      }
    },
    async close() {
      await (await machine?.catch(() => undefined))?.close()
    },
  }
}

async function openMachine(config: Config, store: Store, connect: () => Promise<Engine>) {
  const { makeDockerTarget } = await import('./targets/docker.ts')
  const { engineId } = await import('@taxiway/docker/engine-info.ts')
  const engine = await connect()
  const target = makeDockerTarget({
    engine,
    stateFolder: config.dataFolder,
    registryAuths: () => store.registries.credentials(config.registry),
    async onImage(image, wasPulled) {
      const id = await engineId(engine)
      await patiently(() => store.pulledImages[wasPulled ? 'pulled' : 'used'](id, image))
    },
  })
  await target.open()
  return target
}

async function openCluster(config: Config, context: string | undefined): Promise<Target> {
  const { makeKubernetesTarget } = await import('./targets/kubernetes.ts')
  return makeKubernetesTarget({ kubeconfig: config.kubeconfig as string, ...(context ? { context } : {}) })
}
