import { once } from 'node:events'
import { type AddressInfo, connect, createServer, type Socket } from 'node:net'
import { KubeConfig } from '@kubernetes/client-node'

/** Stands between us and a server: passes all on, until told to go silent or to break. */
export interface Gate {
  port: number
  /** Stops answering as a stopped process does: open, but silent. */
  freeze(): void
  thaw(): void
  /** Breaks all connections; new ones pass. */
  cut(): void
  close(): void
}

/** Opens a gate on a port of its own that passes bytes to `host:port` and back. */
export async function makeGate(to: { host: string; port: number }): Promise<Gate> {
  const pairs = new Set<[Socket, Socket]>()
  let frozen = false
  const gate = createServer((ours) => {
    const theirs = connect(to.port, to.host)
    const pair: [Socket, Socket] = [ours, theirs]
    pairs.add(pair)
    for (const [from, into] of [pair, [theirs, ours] as const]) {
      from.on('data', (bytes) => into.write(bytes))
      from.on('error', () => into.destroy())
      from.on('close', () => {
        into.destroy()
        pairs.delete(pair)
      })
    }
    if (frozen) for (const socket of pair) socket.pause()
  }).listen(0, '127.0.0.1')
  await once(gate, 'listening')
  const set = (value: boolean) => {
    frozen = value
    for (const socket of [...pairs].flat()) frozen ? socket.pause() : socket.resume()
  }
  const cut = () => {
    for (const socket of [...pairs].flat()) socket.destroy()
  }
  return {
    port: (gate.address() as AddressInfo).port,
    freeze: () => set(true),
    thaw: () => set(false),
    cut,
    close() {
      cut()
      gate.close()
    },
  }
}

/** Where the API server of KUBECONFIG listens. */
export function apiServer(): { host: string; port: number } {
  const server = new URL(clusterConfig().getCurrentCluster()?.server ?? '')
  return { host: server.hostname, port: Number(server.port || 443) }
}

/** The text of KUBECONFIG, with the gate in the place of the API server. */
export function kubeconfigThrough({ port }: Gate): string {
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
