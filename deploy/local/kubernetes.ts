import { mkdirSync, rmSync } from 'node:fs'
import { join, resolve } from 'node:path'
import { installPackages } from './apt.ts'
import { ensureBaseImages } from './base-images.ts'
import { makeIdentity, nodeName } from './cluster-identity.ts'
import { startControlPlane } from './control-plane.ts'
import { askEngine } from './engine-api.ts'
import { startKind } from './kind.ts'
import { askCluster, type ClusterAccess, findKubeconfig, writeKubeconfig } from './kubeconfig.ts'
import { removePods, startKubelet } from './kubelet.ts'
import { buildPackages, cachedPrograms, canBuild, ensurePrograms } from './kubernetes-build.ts'
import { tryLock } from './lock.ts'
import { foundPart, type LocalOptions, type LocalPart } from './part.ts'
import { type Daemon, findProgram, waitUntil } from './process.ts'

const clusterPackages = ['etcd-server', 'openssl']

/** The kubeconfig of a cluster that answers, or undefined. */
export const findKubernetes = findKubeconfig

/** The Debian packages behind startKubernetes on this machine, when no cluster was found. */
export async function kubernetesPackages(): Promise<string[]> {
  if (findProgram('kind')) return []
  return [...clusterPackages, ...(cachedPrograms() || !canBuild() ? [] : buildPackages)]
}

/** The machine's address on the engine's bridge: containers and this machine reach it, the network does not. */
async function bridgeAddress(dockerHost: string): Promise<string> {
  const answer = await askEngine(dockerHost, 'GET', '/networks/bridge')
  const network = JSON.parse(answer.text) as { IPAM?: { Config?: { Subnet?: string; Gateway?: string }[] } }
  const config = network.IPAM?.Config?.find(({ Subnet }) => Subnet?.includes('.'))
  // An engine that has just made its bridge names no gateway: it is the first address then.
  const gateway = config?.Gateway ?? config?.Subnet?.replace(/\.0\/\d+$/, '.1')
  if (!gateway) throw new Error('The Docker engine has no bridge network with a gateway.')
  return gateway
}

async function waitForNode(access: ClusterAccess, kubelet: Daemon): Promise<void> {
  const ask = async (path: string) => JSON.parse((await askCluster(access.server, path, access)).text)
  const isReady = async () => {
    const node = (await ask(`/api/v1/nodes/${nodeName}`)) as {
      status?: { conditions?: { type: string; status: string }[] }
    }
    return node.status?.conditions?.some(({ type, status }) => type === 'Ready' && status === 'True') === true
  }
  await waitUntil('Kubernetes node', 120, isReady, kubelet)
  const hasToken = async () => {
    const account = (await ask('/api/v1/namespaces/default/serviceaccounts/default')) as { secrets?: unknown[] }
    return (account.secrets?.length ?? 0) > 0
  }
  await waitUntil('Default service account', 60, hasToken, kubelet)
}

/** One node from plain processes: etcd, the API server, the controllers, the scheduler, and a kubelet on the engine. */
async function startCluster(o: LocalOptions & { dockerHost: string }, bin: string): Promise<LocalPart> {
  const logs = resolve(o.folder)
  const state = join(logs, 'kubernetes')
  const daemons: Daemon[] = []
  // Two kubelets on one engine would each end the other's pods.
  const release = await tryLock(`kubernetes-on-${o.dockerHost}`)
  if (!release)
    throw new Error('Another local Kubernetes runs on this engine: use its kubeconfig (KUBECONFIG), or stop it.')
  const stop = async () => {
    for (const daemon of daemons.splice(0).reverse()) await daemon.stop()
    rmSync(join(logs, 'kubeconfig'), { force: true })
    await removePods(o.dockerHost, state)
    release()
  }
  const started = (daemon: Daemon) => void daemons.push(daemon)
  try {
    await removePods(o.dockerHost, state)
    mkdirSync(state, { recursive: true })
    const identity = await makeIdentity(join(state, 'identity'))
    const nodeAddress = await bridgeAddress(o.dockerHost)
    const access = await startControlPlane({ bin, state, logs, identity, nodeAddress, started })
    const clientCertificate = identity.kubeletClient.certificate
    const node = { bin, state, logs, dockerHost: o.dockerHost, nodeAddress, clientCertificate }
    const kubelet = await startKubelet(node, { ...access, token: identity.tokens.kubelet })
    started(kubelet)
    await waitForNode(access, kubelet)
    const address = join(logs, 'kubeconfig')
    writeKubeconfig(address, access)
    return { name: 'kubernetes', how: 'started', address, stop }
  } catch (error) {
    await stop()
    throw error
  }
}

/** Finds a cluster; else starts one by kind; else one from the cache, after building it there if need be. A new one is empty. */
export async function startKubernetes(o: LocalOptions & { dockerHost: string }): Promise<LocalPart> {
  const found = await findKubernetes()
  if (found) return foundPart('kubernetes', found)
  mkdirSync(o.folder, { recursive: true })
  const byKind = await startKind(o)
  if (byKind) return byKind
  if (process.getuid?.() !== 0 || !o.dockerHost.startsWith('unix://'))
    throw new Error(
      'No Kubernetes: set KUBECONFIG, or run as root beside a Docker engine on this machine, so that one can be started.',
    )
  const installed =
    findProgram('etcd') && findProgram('openssl') ? false : await installPackages(clusterPackages, o.say)
  const bin = await ensurePrograms(o)
  await ensureBaseImages(o)
  o.say('starting Kubernetes')
  const part = await startCluster(o, bin)
  return installed ? { ...part, how: 'installed and started' } : part
}
