import { connect } from 'node:net'
import type { PlannedService } from '@taxiway/domain/plan/tests.ts'
import { callDeadlineMs, type Engine, hasStatus, within } from '../engine/engine.ts'
import { execProbe, inspectContainer } from './release-container.ts'

const probeMs = 10_000

/** Is the service ready now, by its port, its command or its image's health check? */
export async function isReady(
  engine: Engine,
  service: PlannedService,
  name: string,
  signal: AbortSignal,
): Promise<boolean> {
  const view = await inspectContainer(engine, name, signal)
  if (view?.state !== 'running') return false
  const { ready } = service
  if (!ready) return isHealthy(engine, view.id, signal)
  if ('port' in ready) return isListening(engine, view, ready.port, signal)
  const { exitCode } = await execProbe(engine, view.id, ['sh', '-c', ready.command], probeMs, signal)
  return exitCode === 0
}

/** An image without a health check is healthy as soon as it runs. */
async function isHealthy(engine: Engine, id: string, signal: AbortSignal): Promise<boolean> {
  try {
    const { State } = await within(callDeadlineMs, signal, () => engine.docker.getContainer(id).inspect())
    return State.Health === undefined || State.Health.Status === 'healthy' || State.Health.Status === 'none'
  } catch (error) {
    if (hasStatus(error, 404)) return false
    throw error
  }
}

/**
 * Does the port take connections from others? The kernel's own table in the container says so wherever the engine is, as no route
 * leads to a container on another machine. An image without a shell is asked by a connection instead.
 */
async function isListening(
  engine: Engine,
  { id, ip }: { id: string; ip: string },
  port: number,
  signal: AbortSignal,
): Promise<boolean> {
  const { exitCode } = await execProbe(engine, id, ['sh', '-c', listens(port)], probeMs, signal)
  if (exitCode === 0) return true
  return exitCode === 1 ? false : answers(ip, port, signal)
}

/** Made of what every shell has built in. `0A` is LISTEN; what listens on loopback alone does not count. */
const listens = (port: number): string => {
  const hex = port.toString(16).toUpperCase().padStart(4, '0')
  return [
    'for file in /proc/net/tcp /proc/net/tcp6; do',
    'while read -r _ local _ state _; do',
    'case "$local $state" in',
    '*7F:*|00000000000000000000000001000000:*) ;;',
    `*":${hex} 0A") exit 0 ;;`,
    'esac; done 2>/dev/null < $file; done; exit 1',
  ].join('\n')
}

function answers(host: string, port: number, signal: AbortSignal): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect({ host, port, signal: AbortSignal.any([signal, AbortSignal.timeout(2000)]) })
    const end = (isOpen: boolean) => {
      socket.destroy()
      resolve(isOpen)
    }
    socket.once('connect', () => end(true))
    socket.once('error', () => end(false))
  })
}
