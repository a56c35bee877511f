import { KubeConfig } from '@kubernetes/client-node'
import { makeCertificate } from '../world/certificate.ts'
import { type FaultProxy, startProxy } from './proxy.ts'

/** Where the API server of KUBECONFIG listens. */
export function apiServer(): { host: string; port: number } {
  const server = new URL(clusterConfig().getCurrentCluster()?.server ?? '')
  return { host: server.hostname, port: Number(server.port || 443) }
}

/** A proxy before the API server that speaks TLS with both sides, so that calls can be told apart; and a KUBECONFIG with it in its place. */
export async function startReadingProxy(): Promise<{ proxy: FaultProxy; kubeconfig: string }> {
  const config = clusterConfig()
  const options: { ca?: string; cert?: string; key?: string } = {}
  await config.applyToHTTPSOptions(options)
  const server = makeCertificate()
  const proxy = await startProxy({ to: apiServer(), tls: { server, client: { ...options, servername: '' } } })
  return { proxy, kubeconfig: kubeconfigThrough(proxy, server.cert) }
}

/** The text of KUBECONFIG, with the proxy in the place of the API server, and with its authority if it has one of its own. */
export function kubeconfigThrough({ port }: FaultProxy, authority?: string): string {
  const changed = JSON.parse(clusterConfig().exportConfig()) as { clusters: { cluster: Record<string, unknown> }[] }
  for (const { cluster } of changed.clusters) {
    cluster.server = `https://127.0.0.1:${port}`
    if (!authority) cluster['tls-server-name'] = apiServer().host
    else cluster['certificate-authority-data'] = Buffer.from(authority).toString('base64')
  }
  return JSON.stringify(changed)
}

function clusterConfig(): KubeConfig {
  const config = new KubeConfig()
  config.loadFromFile(process.env.KUBECONFIG ?? '')
  return config
}
