import { createHash } from 'node:crypto'
import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { pauseImage } from './base-images.ts'
import { nodeName } from './cluster-identity.ts'
import { askEngine } from './engine-api.ts'
import { type ClusterAccess, writeKubeconfig } from './kubeconfig.ts'
import { unmountBelow } from './leftovers.ts'
import { type Daemon, freePort, startDaemon } from './process.ts'

interface Node {
  bin: string
  state: string
  logs: string
  dockerHost: string
  nodeAddress: string
  /** The one client the kubelet lets in: the API server. */
  clientCertificate: string
}

/** Where the kubelet speaks to its own Docker shim; short, as the name of a socket may have 107 characters. */
const shimSocket = (state: string) =>
  `/run/taxiway-shim-${createHash('sha256').update(state).digest('hex').slice(0, 8)}.sock`
const shimFolder = (state: string) => join(state, 'dockershim')
const kubeletFolder = (state: string) => join(state, 'kubelet')

/** The machine's own name server: there is none for the cluster, and without any each pod would get a warning. */
function nameServers(): string[] {
  const text = existsSync('/etc/resolv.conf') ? readFileSync('/etc/resolv.conf', 'utf8') : ''
  const address = /^nameserver\s+(?!127\.|::1)([0-9a-f.:]+)\s*$/m.exec(text)?.[1]
  return address ? [address] : []
}

/** Small machine, short life: nothing is evicted, no image is swept, nothing outside the state folder is configured. */
function configuration(node: Node, port: number, cgroupDriver: string): object {
  return {
    apiVersion: 'kubelet.config.k8s.io/v1beta1',
    kind: 'KubeletConfiguration',
    address: node.nodeAddress,
    port,
    readOnlyPort: 0,
    nodeStatusUpdateFrequency: '2s',
    // By default only five events a second are told: many releases at once would be explained without them.
    eventRecordQPS: 50,
    eventBurst: 200,
    healthzPort: 0,
    authentication: {
      anonymous: { enabled: false },
      webhook: { enabled: false },
      x509: { clientCAFile: node.clientCertificate },
    },
    authorization: { mode: 'AlwaysAllow' },
    cgroupDriver,
    failSwapOn: false,
    enforceNodeAllocatable: [],
    evictionHard: {},
    imageGCHighThresholdPercent: 100,
    imageGCLowThresholdPercent: 99,
    serializeImagePulls: false,
    makeIPTablesUtilChains: false,
    clusterDNS: nameServers(),
    volumePluginDir: join(node.state, 'volume-plugins'),
  }
}

/** Starts the kubelet on the engine's bridge address, which only this machine and its containers reach. */
export async function startKubelet(node: Node, access: ClusterAccess): Promise<Daemon> {
  const kubeconfig = join(node.state, 'kubelet.kubeconfig')
  writeKubeconfig(kubeconfig, access)
  const config = join(node.state, 'kubelet.json')
  const info = JSON.parse((await askEngine(node.dockerHost, 'GET', '/info')).text) as { CgroupDriver?: string }
  writeFileSync(config, JSON.stringify(configuration(node, await freePort(), info.CgroupDriver ?? 'cgroupfs')))
  const folder = kubeletFolder(node.state)
  mkdirSync(folder, { recursive: true })
  const args = [
    `--kubeconfig=${kubeconfig}`,
    `--config=${config}`,
    `--root-dir=${folder}`,
    `--cert-dir=${join(folder, 'pki')}`,
    '--container-runtime=docker',
    `--docker-endpoint=${node.dockerHost}`,
    `--pod-infra-container-image=${pauseImage}`,
    `--container-runtime-endpoint=unix://${shimSocket(node.state)}`,
    `--experimental-dockershim-root-directory=${shimFolder(node.state)}`,
    `--hostname-override=${nodeName}`,
    `--node-ip=${node.nodeAddress}`,
  ]
  return startDaemon({ name: 'kubelet', command: join(node.bin, 'kubelet'), args, folder: node.logs })
}

const readNames = (folder: string) => (existsSync(folder) ? readdirSync(folder) : [])

interface ContainerEntry {
  Id: string
  Labels: Record<string, string>
}

/** Removes the containers of this cluster's pods, the sandboxes last. The kubelet noted the ids of its sandboxes. */
async function removeContainers(dockerHost: string, state: string): Promise<void> {
  const sandboxes = new Set(readNames(join(shimFolder(state), 'sandbox')))
  if (sandboxes.size === 0) return
  const filters = encodeURIComponent(JSON.stringify({ label: ['io.kubernetes.pod.uid'] }))
  const list = await askEngine(dockerHost, 'GET', `/containers/json?all=1&filters=${filters}`)
  const ours = (JSON.parse(list.text) as ContainerEntry[]).filter(
    ({ Id, Labels }) => sandboxes.has(Id) || sandboxes.has(Labels['io.kubernetes.sandbox.id'] ?? ''),
  )
  const inside = ours.filter(({ Id }) => !sandboxes.has(Id))
  for (const group of [inside, ours.filter((entry) => !inside.includes(entry))])
    await Promise.all(
      group.map(({ Id }) => askEngine(dockerHost, 'DELETE', `/containers/${Id}?force=1&v=1`, { seconds: 30 })),
    )
  for (const { Id, Labels } of ours) {
    for (const link of readNames('/var/log/containers'))
      if (link.endsWith(`-${Id}.log`)) rmSync(join('/var/log/containers', link), { force: true })
    const pod = ['namespace', 'name', 'uid'].map((key) => Labels[`io.kubernetes.pod.${key}`]).join('_')
    rmSync(join('/var/log/pods', pod), { recursive: true, force: true })
  }
}

/** Removes what a kubelet that runs no more has left: containers, mounts, and the state folder. May be called again. */
export async function removePods(dockerHost: string, state: string): Promise<void> {
  if (!existsSync(state)) return
  await removeContainers(dockerHost, state)
  await unmountBelow(kubeletFolder(state))
  rmSync(shimSocket(state), { force: true })
  rmSync(state, { recursive: true, force: true })
}
