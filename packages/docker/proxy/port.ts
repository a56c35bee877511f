import { createHash } from 'node:crypto'
import { pause } from '../engine/engine.ts'
import { type ReverseProxy, startProxy } from './proxy.ts'

// Below what systems hand out for outgoing connections and below Kubernetes' node ports.
const firstPort = 20_000
const ports = 10_000
const portsTried = 100
/** How long a port that is known is waited for: the process before this one may still be closing it. */
const knownPortMs = 3_000

/** Starts the proxy of a service on the port that it had (0: none yet), else on a free one that no other service has. */
export async function openRoute({
  host,
  key,
  port,
  taken,
  signal,
}: {
  host: string
  key: string
  port: number
  taken: ReadonlySet<number>
  signal: AbortSignal
}): Promise<ReverseProxy> {
  const known = port > 0 ? await openKnown(host, port, signal) : undefined
  return known ?? openFree(host, key, taken)
}

async function openKnown(host: string, port: number, signal: AbortSignal): Promise<ReverseProxy | undefined> {
  const untilMs = performance.now() + knownPortMs
  for (;;) {
    const proxy = await openPort(host, port)
    if (proxy || performance.now() >= untilMs) return proxy
    await pause(100, signal)
  }
}

/** The service's name chooses its port, so that it most often gets the same one even when the record is lost. */
async function openFree(host: string, key: string, taken: ReadonlySet<number>): Promise<ReverseProxy> {
  const start = createHash('sha256').update(key).digest().readUInt32BE() % ports
  for (let offset = 0; offset < portsTried; offset++) {
    const port = firstPort + ((start + offset) % ports)
    const proxy = taken.has(port) ? undefined : await openPort(host, port)
    if (proxy) return proxy
  }
  return startProxy({ host, port: 0 })
}

async function openPort(host: string, port: number): Promise<ReverseProxy | undefined> {
  try {
    return await startProxy({ host, port })
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'EADDRINUSE') return undefined
    throw error
  }
}
