import { KubeConfig } from '@kubernetes/client-node'
import type { FaultProxy } from './proxy.ts'

/** Where the API server of KUBECONFIG listens. */
export function apiServer(): { host: string; port: number } {
  const server = new URL(clusterConfig().getCurrentCluster()?.server ?? '')
  return { host: server.hostname, port: Number(server.port || 443) }
}

/** The text of KUBECONFIG, with the proxy in the place of the API server. */
export function kubeconfigThrough({ port }: FaultProxy): string {
  const changed = JSON.parse(clusterConfig().exportConfig()) as { clusters: { cluster: Record<string, unknown> }[] }
  for (const { cluster } of changed.clusters) {
    cluster.server = `https://127.0.0.1:${port}`
    cluster['tls-server-name'] = apiServer().host
  }
  return JSON.stringify(changed)
}

function clusterConfig(): KubeConfig {
  const config = new KubeConfig()
  config.loadFromFile(process.env.KUBECONFIG ?? '')
  return config
}
