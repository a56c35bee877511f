import { type ContainerView, listContainers } from '../container/release-container.ts'
import { type Engine, pause, stream, within } from '../engine/engine.ts'
import { readEvents } from '../engine/events.ts'
import { label } from '../engine/labels.ts'
import { isOf, workloadOf } from '../release/container.ts'
import type { MachineState, ServiceRecord, StateFile } from '../release/state.ts'
import { servingTemplates } from '../release/template.ts'
import { openRoute } from './port.ts'
import type { ReverseProxy } from './proxy.ts'
import { type Candidate, makeReadiness, type Readiness } from './readiness.ts'

/** The proxies before the containers: each service of each environment has one, on a port that stays. */
export interface Routes {
  /** Makes the proxies be what the record and the containers say. Throws when the engine is away. */
  reconcile(): Promise<void>
  /** Reconciles, and waits at most so long until nothing is under way to where the environment's proxies led before. */
  handOver(place: string, drainMs: number, signal: AbortSignal): Promise<void>
  /** Serves what is on the record, if anything is, and follows the engine: a container that starts may have another address. */
  begin(): Promise<void>
  /** Service -> its port. */
  ports(): Record<string, number>
  close(): Promise<void>
}
interface Route {
  proxy: ReverseProxy
  targets: string[]
  /** Do all containers that it may lead to count as ready? */
  isWhole: boolean
}

const followAgainMs = 1_000
/** So long a first answer of containers is waited for, and until all that take over are ready. */
const answersMs = 1_500
const wholeMs = 5_000

/** Makes the routes of a machine, whose record it only reads; nothing is opened before the first reconcile. */
export function makeRoutes({
  engine,
  state,
  host,
}: {
  engine: Engine
  state: Pick<StateFile, 'read'>
  host: string
}): Routes {
  const routes = new Map<string, Route>()
  const stop = new AbortController()
  const readiness = makeReadiness(engine, () => void reconcile().catch(() => undefined))
  const scene: Scene = { engine, state, host, routes, readiness, signal: stop.signal }
  const reconcile = oneAtATime(() => reconcileOnce(scene))
  let following: Promise<void> | undefined
  const follow = () => {
    following ??= followEngine(engine, reconcile, stop.signal)
  }
  const ofPlace = (place: string) => [...routes].filter(([key]) => key.startsWith(`${place}/`))
  return {
    reconcile() {
      follow()
      return reconcile()
    },
    async handOver(place, drainMs, signal) {
      follow()
      const before = ofPlace(place).map(([, { proxy, targets }]) => ({ proxy, targets }))
      await reconcile()
      const untilMs = performance.now() + Math.min(wholeMs, drainMs)
      while (ofPlace(place).some(([, { isWhole }]) => !isWhole) && performance.now() < untilMs) {
        await pause(100, signal)
        await reconcile()
      }
      const now = new Set(ofPlace(place).flatMap(([, { targets }]) => targets))
      const drains = before.flatMap(({ proxy, targets }) =>
        targets.filter((target) => !now.has(target)).map((target) => proxy.drained(target, drainMs)),
      )
      await within(drainMs + 1_000, signal, () => Promise.all(drains))
    },
    async begin() {
      if (Object.keys((await state.read()).services).length > 0) follow()
    },
    ports: () => Object.fromEntries([...routes].map(([key, { proxy }]) => [key, proxy.port])),
    async close() {
      stop.abort(new Error('the proxy ends'))
      readiness.close()
      await following
      await reconcile().catch(() => undefined)
      await Promise.all([...routes.values()].map(({ proxy }) => proxy.stop()))
      routes.clear()
    },
  }
}

/** Calls that come while one waits for its turn share that one. */
function oneAtATime(work: () => Promise<void>): () => Promise<void> {
  let running: Promise<unknown> = Promise.resolve()
  let waiting: Promise<void> | undefined
  return () => {
    waiting ??= running
      .catch(() => undefined)
      .then(() => {
        waiting = undefined
        return work()
      })
    running = waiting
    return waiting
  }
}

interface Scene {
  engine: Engine
  state: Pick<StateFile, 'read'>
  host: string
  routes: Map<string, Route>
  readiness: Readiness
  signal: AbortSignal
}

async function reconcileOnce({ engine, state, host, routes, readiness, signal }: Scene): Promise<void> {
  signal.throwIfAborted()
  const wanted = await state.read()
  const services = Object.entries(wanted.services)
  for (const [key, { proxy }] of routes) {
    if (wanted.services[key]) continue
    routes.delete(key)
    // It listens no more at once; what is under way may end meanwhile.
    void proxy.stop()
  }
  const found = services.length > 0 ? await listContainers(engine, { [label.role]: 'release' }, signal) : []
  const containers = found.filter(({ state, ip }) => state === 'running' && ip !== '')
  const candidates = new Map(services.map(([key, service]) => [key, candidatesOf(containers, key, service, wanted)]))
  readiness.ask([...candidates.values()].flat())
  await readiness.answered(answersMs)
  for (const [key, service] of services) {
    const taken = new Set(services.map(([, { port }]) => port))
    const route = routes.get(key) ?? {
      proxy: await openRoute({ host, key, port: service.port, taken, signal }),
      targets: [],
      isWhole: false,
    }
    routes.set(key, route)
    const own = candidates.get(key) ?? []
    const ready = own.filter(readiness.isReady)
    const addressOf = ({ ip }: ContainerView) => `http://${ip}:${service.containerPort}`
    // Until the first of those that take over is ready, the ones before them go on.
    const former = containers
      .filter((one) => !isLeaving(one, wanted) && !own.some(({ container }) => container.id === one.id))
      .map(addressOf)
    const targets =
      ready.length > 0
        ? ready.map(({ container }) => addressOf(container))
        : route.targets.filter((target) => former.includes(target))
    Object.assign(route, { targets, isWhole: ready.length === own.length })
    route.proxy.switchTo(targets)
  }
}

const placeOf = ({ labels }: ContainerView): string => `${labels[label.repository]}/${labels[label.environment]}`

const isLeaving = (container: ContainerView, { environments }: MachineState): boolean =>
  environments[placeOf(container)]?.leaving?.includes(container.name) ?? false

/** Containers of what serves that a service leads to when they are ready. */
function candidatesOf(
  containers: ContainerView[],
  key: string,
  { workload, probe }: ServiceRecord,
  record: MachineState,
): Candidate[] {
  const place = key.slice(0, key.lastIndexOf('/'))
  const environment = record.environments[place]
  if (!environment?.serving) return []
  const templates = servingTemplates(environment)
  return containers
    .filter(
      (container) =>
        placeOf(container) === place &&
        workloadOf(container) === workload &&
        isOf(container, templates) &&
        !isLeaving(container, record),
    )
    .map((container) => ({ container, probe }))
}

/** Reads the engine's events (Docker Engine API, "SystemEvents") until it is told to stop; begins again when the engine was away. */
async function followEngine(engine: Engine, reconcile: () => Promise<void>, signal: AbortSignal): Promise<void> {
  const filters = { type: ['container'], event: ['start', 'die', 'pause', 'unpause'], label: [`${label.role}=release`] }
  while (!signal.aborted) {
    try {
      const call = { method: 'GET', path: '/events?', options: { filters: JSON.stringify(filters) } }
      const events = await stream(engine, call, signal)
      await reconcile()
      for await (const _ of readEvents(events)) await reconcile()
    } catch {
      // The engine is away; deployments say so, and here it is asked again.
    }
    await pause(followAgainMs, signal).catch(() => undefined)
  }
}
