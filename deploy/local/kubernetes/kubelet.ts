import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { type Daemon, freePort, startDaemon } from '../process.ts'
import { nodeName } from './identity.ts'
import { type ClusterAccess, writeKubeconfig } from './kubeconfig.ts'
import type { ClusterPlace, Runtime } from './runtime.ts'

/** The machine's own name server: there is none for the cluster, and without any each pod would get a warning. */
function nameServers(): string[] {
  const text = existsSync('/etc/resolv.conf') ? readFileSync('/etc/resolv.conf', 'utf8') : ''
  const address = /^nameserver\s+(?!127\.|::1)([0-9a-f.:]+)\s*$/m.exec(text)?.[1]
  return address ? [address] : []
}

/**
 * Small machine, short life: nothing is evicted, no image is swept, nothing outside the state folder is configured.
 * The kubelet looks at everything more often than by default, as whoever waits for it is a test or a demo.
 */
function configuration(state: string, nodeAddress: string, port: number, clientCertificate: string): object {
  return {
    apiVersion: 'kubelet.config.k8s.io/v1beta1',
    kind: 'KubeletConfiguration',
    address: nodeAddress,
    port,
    readOnlyPort: 0,
    nodeStatusUpdateFrequency: '2s',
    syncFrequency: '10s',
    volumeStatsAggPeriod: '0s',
    // By default only five events a second are told: many releases at once would be explained without them.
    eventRecordQPS: 50,
    eventBurst: 200,
    kubeAPIQPS: 200,
    kubeAPIBurst: 400,
    registryPullQPS: 0,
    healthzPort: 0,
    authentication: {
      anonymous: { enabled: false },
      webhook: { enabled: false },
      x509: { clientCAFile: clientCertificate },
    },
    authorization: { mode: 'AlwaysAllow' },
    failSwapOn: false,
    enforceNodeAllocatable: [],
    evictionHard: {},
    imageGCHighThresholdPercent: 100,
    imageGCLowThresholdPercent: 99,
    serializeImagePulls: false,
    makeIPTablesUtilChains: false,
    clusterDNS: nameServers(),
    volumePluginDir: join(state, 'volume-plugins'),
  }
}

/**
 * Starts the kubelet on an address which only this machine and its containers reach.
 * @param clientCertificate of the one client that it lets in: the API server
 */
export async function startKubelet(
  { bin, state, logs }: ClusterPlace,
  { nodeAddress, kubelet }: Runtime,
  access: ClusterAccess,
  clientCertificate: string,
): Promise<Daemon> {
  const kubeconfig = join(state, 'kubelet.kubeconfig')
  writeKubeconfig(kubeconfig, access)
  const config = join(state, 'kubelet.json')
  const common = configuration(state, nodeAddress, await freePort(), clientCertificate)
  writeFileSync(config, JSON.stringify({ ...common, ...kubelet.configuration }))
  const folder = join(state, 'kubelet')
  mkdirSync(folder, { recursive: true })
  const args = [
    `--kubeconfig=${kubeconfig}`,
    `--config=${config}`,
    `--root-dir=${folder}`,
    `--cert-dir=${join(folder, 'pki')}`,
    `--hostname-override=${nodeName}`,
    `--node-ip=${nodeAddress}`,
    ...kubelet.args,
  ]
  return startDaemon({ name: 'kubelet', command: join(bin, 'kubelet'), args, folder: logs })
}
