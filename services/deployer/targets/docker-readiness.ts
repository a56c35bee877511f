import { connect } from 'node:net'
import type { Engine } from '@taxiway/docker/engine.ts'
import { type ContainerView, containerLogsTail, execProbe } from '@taxiway/docker/release-container.ts'
import { oneLine } from '@taxiway/domain/reason.ts'
import type { Probe, Workload } from './docker-workload.ts'

/** Restarts after which a container is called broken. */
const tolerated = 1

/** Why the container will never serve: it ended, or keeps ending. Undefined while it may yet. */
export async function crash(engine: Engine, workload: Workload, container: ContainerView): Promise<string | undefined> {
  const hasEnded = container.state === 'exited' || container.state === 'dead'
  if (!hasEnded && container.restarts <= tolerated) return undefined
  const last = (await containerLogsTail(engine, container.id, 5).catch(() => [])).findLast((line) => line.trim() !== '')
  if (container.oomKilled) return `${workload.name}: out of memory, its limit is ${workload.memoryMb} MB`
  return `${workload.name}: crash loop, exit ${container.exitCode}${last ? `: ${oneLine(last, 200)}` : ''}`
}

/** Asks the readiness probe once. @returns undefined when it is content, else what it says */
export async function probeOnce(engine: Engine, probe: Probe, container: ContainerView): Promise<string | undefined> {
  if (container.state !== 'running') return `container is ${container.state}`
  if (Date.now() - Date.parse(container.startedAt) < probe.initialDelayMs) return 'its initial delay is not over'
  if (probe.http) return askHttp(container.ip, probe.http, probe.timeoutMs)
  if (probe.exec) {
    const { exitCode } = await execProbe(engine, container.id, probe.exec, probe.timeoutMs)
    return exitCode === 0 ? undefined : `readiness probe ended with ${exitCode ?? 'no answer'}`
  }
  if (probe.tcp) return askTcp(container.ip, probe.tcp, probe.timeoutMs)
  return Date.now() - Date.parse(container.startedAt) > 2000 ? undefined : 'it just started'
}

async function askHttp(
  ip: string,
  { port, path }: { port: number; path: string },
  timeoutMs: number,
): Promise<string | undefined> {
  try {
    const answer = await fetch(`http://${ip}:${port}${path}`, {
      redirect: 'manual',
      signal: AbortSignal.timeout(timeoutMs),
    })
    await answer.body?.cancel()
    return answer.status >= 200 && answer.status < 400
      ? undefined
      : `readiness probe GET :${port}${path} answered ${answer.status}`
  } catch {
    return `readiness probe GET :${port}${path} got no answer`
  }
}

function askTcp(host: string, port: number, timeoutMs: number): Promise<string | undefined> {
  return new Promise((resolve) => {
    const socket = connect({ host, port, timeout: timeoutMs })
    const end = (answer: string | undefined) => {
      socket.destroy()
      resolve(answer)
    }
    socket.once('connect', () => end(undefined))
    socket.once('timeout', () => end(`port ${port} does not answer`))
    socket.once('error', () => end(`port ${port} is closed`))
  })
}
