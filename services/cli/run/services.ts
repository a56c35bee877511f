import { connect } from 'node:net'
import { setTimeout as sleep } from 'node:timers/promises'
import { runContainer } from '@taxiway/docker/container.ts'
import { callDeadlineMs, hasStatus, within } from '@taxiway/docker/engine.ts'
import { imageExists, pullImage } from '@taxiway/docker/image.ts'
import { execProbe, inspectContainer } from '@taxiway/docker/release-container.ts'
import type { PlannedService } from '@taxiway/domain/plan.ts'
import { builtOr, type Session } from './session.ts'

/** Where services run, and what they are made from. */
export interface Beside {
  test: string
  network: string
  built: ReadonlyMap<string, string>
}
const pullMs = 10 * 60_000
const limits = { memoryMb: 2048, pids: 512, graceMs: 2000 }

/** Starts the services of a test and waits until they are ready. @returns what stops them, and what is wrong if one is not ready */
export async function startServices(
  session: Session,
  services: PlannedService[],
  beside: Beside,
): Promise<{ stop(): Promise<void>; problem?: string }> {
  const stopping = new AbortController()
  const running: Promise<unknown>[] = []
  const stop = async () => {
    stopping.abort()
    await Promise.all(running)
  }
  try {
    for (const service of services) {
      session.screen.note(`service ${service.name} from ${service.image}`)
      const image = builtOr(beside.built, service.image)
      const missing = await provide(session, image)
      if (missing) return { stop, problem: missing }
      const one = runOne(session, service, { ...beside, image }, stopping.signal)
      running.push(one.ended)
      const problem = await waitReady(session, service, one)
      if (problem) return { stop, problem }
    }
    return { stop }
  } catch (error) {
    await stop()
    throw error
  }
}

async function provide({ engine, signal }: Session, image: string): Promise<string | undefined> {
  if (await imageExists(engine, image, signal)) return undefined
  const pulled = await pullImage(engine, image, { signal, deadlineMs: pullMs })
  return pulled.ok ? undefined : pulled.reason.message
}

interface Running {
  container: string
  /** Settles, always well, when the container is gone. */
  ended: Promise<unknown>
  hasEnded(): boolean
  lastWords(): string
}

function runOne(
  session: Session,
  service: PlannedService,
  { test, network, image }: Beside & { image: string },
  stopping: AbortSignal,
): Running {
  const step = `${test}-${service.name}`
  const container = session.name(step)
  let hasEnded = false
  let tail = ''
  const ended = runContainer(session.engine, {
    name: container,
    image,
    env: service.env,
    ...(service.command ? { command: service.command } : {}),
    labels: session.labels(step),
    network,
    aliases: [service.name],
    cpus: session.cpus,
    ...limits,
    timeoutMs: 24 * 3_600_000,
    signal: AbortSignal.any([session.signal, stopping]),
    onOutput: (chunk) => {
      tail = (tail + chunk.toString()).slice(-4000)
    },
  })
    .then((ran) => {
      if (!ran.ok) tail = ran.reason.message
    })
    .catch((error: Error) => {
      if (!session.signal.aborted && !stopping.aborted) tail = error.message
    })
    .finally(() => {
      hasEnded = true
    })
  return { container, ended, hasEnded: () => hasEnded, lastWords: () => tail.trim().split(/\r?\n/).slice(-3).join(' ') }
}

/** @returns undefined when it is ready, else why it is not */
async function waitReady(session: Session, service: PlannedService, one: Running): Promise<string | undefined> {
  const untilMs = performance.now() + service.timeoutMs
  while (performance.now() < untilMs) {
    if (one.hasEnded()) return `service ${service.name} ended before it was ready: ${one.lastWords()}`
    if (await isReady(session, service, one.container)) return undefined
    await sleep(200, undefined, { signal: session.signal })
  }
  return `service ${service.name} was not ready within ${service.timeoutMs / 1000} s: ${one.lastWords()}`
}

async function isReady({ engine, signal }: Session, { ready }: PlannedService, name: string): Promise<boolean> {
  const view = await inspectContainer(engine, name, signal)
  if (view?.state !== 'running') return false
  if (!ready) return isHealthy(engine, view.id, signal)
  if ('port' in ready) return answers(view.ip, ready.port, signal)
  const { exitCode } = await execProbe(engine, view.id, ['sh', '-c', ready.command], 10_000, signal)
  return exitCode === 0
}

/** An image without a health check is healthy as soon as it runs. */
async function isHealthy(engine: Session['engine'], id: string, signal: AbortSignal): Promise<boolean> {
  try {
    const { State } = await within(callDeadlineMs, signal, () => engine.docker.getContainer(id).inspect())
    return State.Health === undefined || State.Health.Status === 'healthy' || State.Health.Status === 'none'
  } catch (error) {
    if (hasStatus(error, 404)) return false
    throw error
  }
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
