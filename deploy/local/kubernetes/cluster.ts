import { mkdirSync, rmSync } from 'node:fs'
import { join, resolve } from 'node:path'
import { tryLock } from '../lock.ts'
import type { LocalOptions, LocalPart } from '../part.ts'
import { type Daemon, waitUntil } from '../process.ts'
import { startContainerd } from './containerd.ts'
import { startControlPlane } from './control-plane.ts'
import { dockerRuntime } from './docker-runtime.ts'
import { makeIdentity, nodeName } from './identity.ts'
import { askCluster, type ClusterAccess, writeKubeconfig } from './kubeconfig.ts'
import { startKubelet } from './kubelet.ts'
import { stateOf } from './names.ts'
import { lockCluster, removeCluster, removeDeadClusters } from './remains.ts'
import type { ClusterPlace } from './runtime.ts'
import type { Version } from './versions.ts'

/** Waits until pods can be made: the node is ready, and there is an account for them. */
async function waitForNode(version: Version, access: ClusterAccess, daemons: Daemon[]): Promise<void> {
  const ask = async (path: string) => JSON.parse((await askCluster(access.server, path, access)).text)
  const isReady = async () => {
    const node = (await ask(`/api/v1/nodes/${nodeName}`)) as {
      status?: { conditions?: { type: string; status: string }[] }
    }
    return node.status?.conditions?.some(({ type, status }) => type === 'Ready' && status === 'True') === true
  }
  await waitUntil('Kubernetes node', 120, isReady, ...daemons)
  const hasAccount = async () => {
    const account = (await ask('/api/v1/namespaces/default/serviceaccounts/default')) as {
      kind: string
      secrets?: unknown[]
    }
    // An old cluster gives each account a token that its pods wait for.
    return version === '1.20' ? (account.secrets?.length ?? 0) > 0 : account.kind === 'ServiceAccount'
  }
  await waitUntil('Default service account', 60, hasAccount, ...daemons)
}

/** Takes the locks of a cluster. @returns their release */
async function takeLocks(version: Version, state: string, dockerHost: string): Promise<() => void> {
  const own = await lockCluster(state)
  if (!own)
    throw new Error('Another local Kubernetes runs in this folder: use its kubeconfig (KUBECONFIG), or stop it.')
  if (version !== '1.20') return own
  // Two kubelets on one engine would each end the other's pods.
  const engine = await tryLock(`kubernetes-on-${dockerHost}`)
  if (engine)
    return () => {
      engine()
      own()
    }
  own()
  throw new Error('Another local Kubernetes runs on this engine: use its kubeconfig (KUBECONFIG), or stop it.')
}

/** Starts the processes of a cluster. @returns the administrator's access */
async function startProcesses(version: Version, place: ClusterPlace, daemons: Daemon[]): Promise<ClusterAccess> {
  const identity = await makeIdentity(join(place.state, 'identity'))
  const runtime = await (version === '1.20' ? dockerRuntime(place) : startContainerd(place))
  const access = await startControlPlane({ ...place, version, identity, nodeAddress: runtime.nodeAddress })
  const kubeletAccess = { ...access, token: identity.tokens.kubelet }
  const kubelet = await startKubelet(place, runtime, kubeletAccess, identity.kubeletClient.certificate)
  place.started(kubelet)
  // The newest first, as it is the kubelet that makes the node ready.
  await waitForNode(version, access, daemons.toReversed())
  return access
}

/** One node from plain processes: etcd, the API server, the controllers, the scheduler, a kubelet and what runs its pods. */
export async function startCluster(
  version: Version,
  o: LocalOptions & { dockerHost: string },
  bin: string,
): Promise<LocalPart> {
  const logs = resolve(o.folder)
  const state = stateOf(logs)
  const daemons: Daemon[] = []
  await removeDeadClusters(o.dockerHost)
  const release = await takeLocks(version, state, o.dockerHost)
  const stop = async () => {
    for (const daemon of daemons.splice(0).reverse()) await daemon.stop()
    rmSync(join(logs, 'kubeconfig'), { force: true })
    await removeCluster(state, o.dockerHost)
    release()
  }
  try {
    mkdirSync(state, { recursive: true, mode: 0o700 })
    const started = (daemon: Daemon) => void daemons.push(daemon)
    const access = await startProcesses(version, { bin, state, logs, dockerHost: o.dockerHost, started }, daemons)
    const address = join(logs, 'kubeconfig')
    writeKubeconfig(address, access)
    const died = Promise.race(daemons.map((daemon) => daemon.died))
    return { name: 'kubernetes', how: 'started', address, stop, died }
  } catch (error) {
    await stop()
    throw error
  }
}
