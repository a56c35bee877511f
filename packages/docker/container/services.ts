import type { PlannedService } from '@taxiway/domain/plan/tests.ts'
import { oneLine, type Reason, reason } from '@taxiway/domain/reason.ts'
import type { Mask } from '@taxiway/domain/secrets/mask.ts'
import type { DiskLimits } from '../engine/disk-use.ts'
import { type Engine, engineFault, pause } from '../engine/engine.ts'
import { runContainer } from './container.ts'
import { inspectContainer } from './release-container.ts'
import { isReady } from './service-ready.ts'
import type { ContainerSpec } from './spec.ts'

/** A service, the image in the engine that it is made from, and the values of its secrets by name. */
export interface ServiceOrder {
  service: PlannedService
  image: string
  secrets: Record<string, string>
}
/** Where services run: the containers' names and labels, the test's own network, and what each may use. */
export interface ServicePlace extends Pick<ContainerSpec, 'network' | 'memoryMb' | 'cpus' | 'pids'>, DiskLimits {
  name(service: string): string
  labels(service: string): Record<string, string>
  signal: AbortSignal
  say(line: string): void
  /** Hides secrets in what a service prints: only while it comes they can't be cut in two. */
  mask(): Mask
}
/** How a service stands: with an exit code, it has ended by itself. */
export interface ServiceState {
  name: string
  exitCode?: number
  /** What it printed last, without secrets. */
  tail: string
  lastWords: string
}
/** What stops services, and what is wrong if one is not ready. */
export interface StartedServices {
  problem?: Reason
  /** How each stands now. */
  look(): ServiceState[]
  /** Settles when all are gone. */
  stop(): Promise<void>
}

const pollMs = 200
const graceMs = 2000
const longestMs = 24 * 3_600_000
const keptWords = 16_000

/**
 * Starts the services of a test side by side and waits until all are ready. They run as strangers' code, like the test itself, are
 * found on its network by their names, and publish nothing. One that is not ready in time is `service_not_ready`, with its last words.
 */
export async function startServices(
  engine: Engine,
  services: ServiceOrder[],
  place: ServicePlace,
): Promise<StartedServices> {
  const stopping = new AbortController()
  const signal = AbortSignal.any([place.signal, stopping.signal])
  const running = services.map((order) => runOne(engine, order, { ...place, signal }))
  const stop = async () => {
    stopping.abort()
    await Promise.all(running.map(({ ended }) => ended))
  }
  let problem: Reason | undefined
  const wait = async (one: Running) => {
    try {
      const found = await waitReady(engine, one, { ...place, signal })
      problem ??= found
    } catch (error) {
      if (problem) return
      place.signal.throwIfAborted()
      problem = engineFault(error, { midWork: true })
      if (!problem) throw error
    }
    // One that is not ready ends the wait for the others.
    if (problem) stopping.abort()
  }
  try {
    await Promise.all(running.map(wait))
    const look = () => running.map((one) => one.look())
    return problem ? { problem, look, stop } : { look, stop }
  } catch (error) {
    await stop()
    throw error
  }
}

interface Running {
  service: PlannedService
  container: string
  /** Settles, always well, when the container is gone. */
  ended: Promise<void>
  hasEnded(): boolean
  lastWords(): string
  look(): ServiceState
  /** Why it could not even be made, when that is the engine's fault. */
  fault(): Reason | undefined
}

function runOne(engine: Engine, { service, image, secrets }: ServiceOrder, place: ServicePlace): Running {
  const container = place.name(service.name)
  let hasEnded = false
  const mask = place.mask()
  const decoder = new TextDecoder()
  let words = ''
  const keep = (text: string) => {
    words = (words + text).slice(-keptWords)
  }
  let fault: Reason | undefined
  let exitCode: number | undefined
  const { network, cpus, pids, diskMb, files, signal } = place
  const { memoryMb = place.memoryMb, shmMb } = service
  place.say(`service ${service.name} from ${service.image}`)
  const ended = runContainer(engine, {
    name: container,
    image,
    env: { ...service.env, ...secrets },
    ...(service.command ? { command: service.command } : {}),
    labels: place.labels(service.name),
    network,
    aliases: [service.name],
    memoryMb,
    ...(shmMb === undefined ? {} : { shmMb }),
    cpus,
    pids,
    ...(diskMb === undefined ? {} : { diskMb }),
    ...(files === undefined ? {} : { files }),
    graceMs,
    timeoutMs: longestMs,
    signal,
    onOutput: (chunk) => keep(mask.push(decoder.decode(chunk, { stream: true }))),
  })
    .then((ran) => {
      keep(mask.push(decoder.decode()) + mask.end())
      if (ran.ok) exitCode = ran.value.exitCode
      if (!ran.ok) fault = ran.reason
      else if (ran.value.oomKilled) words += `\nit used more than its ${memoryMb} MB of memory`
      else if (ran.value.met) words += `\nit was ended at its limit of ${ran.value.met.limit} (${ran.value.met.what})`
    })
    .catch((error: Error) => {
      if (!signal.aborted) words = error.message
    })
    .finally(() => {
      hasEnded = true
    })
  const lastWords = () => oneLine(words.trim().split(/\r?\n/).slice(-3).join(' '), 500).replace(/[.:]+$/, '')
  return {
    service,
    container,
    ended,
    hasEnded: () => hasEnded,
    lastWords,
    look: () => ({
      name: service.name,
      tail: words,
      lastWords: lastWords(),
      ...(exitCode === undefined ? {} : { exitCode }),
    }),
    fault: () => fault,
  }
}

/** @returns undefined when it is ready, else why it is not */
async function waitReady(engine: Engine, one: Running, place: ServicePlace): Promise<Reason | undefined> {
  const { service } = one
  const begun = () =>
    inspectContainer(engine, one.container, place.signal).then((view) => view && view.state !== 'created')
  // Its time begins with its container: a machine that is slow to make that takes none of it.
  while (!one.hasEnded() && !(await begun())) await pause(pollMs, place.signal)
  const beganMs = performance.now()
  const refusal = (what: string) =>
    reason('service_not_ready', { service: service.name, detail: [what, one.lastWords()].filter(Boolean).join(': ') })
  while (performance.now() - beganMs < service.timeoutMs) {
    if (one.hasEnded()) return one.fault() ?? refusal('it ended')
    if (await isReady(engine, service, one.container, place.signal)) {
      place.say(`service ${service.name} is ready after ${((performance.now() - beganMs) / 1000).toFixed(1)} s`)
      return undefined
    }
    await pause(pollMs, place.signal)
  }
  return refusal(`not within ${service.timeoutMs / 1000} s`)
}
