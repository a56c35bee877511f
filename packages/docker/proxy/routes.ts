import { createHash } from 'node:crypto'
import { type ContainerView, listContainers } from '../container/release-container.ts'
import { type Engine, pause, stream, within } from '../engine/engine.ts'
import { readEvents } from '../engine/events.ts'
import { label } from '../engine/labels.ts'
import { isOf, keyOf, type Place, workloadOf } from '../release/container.ts'
import type { MachineState, StateFile } from '../release/state.ts'
import { servingTemplates } from '../release/template.ts'
import { type ReverseProxy, startProxy } from './proxy.ts'

/** The proxies before the containers: each service of each environment has one, on a port that stays. */
export interface Routes {
  /** Makes the proxies be what the record and the running containers say. Throws when the engine is away. */
  reconcile(): Promise<void>
  /** Reconciles, and waits at most so long until nothing is under way to where the environment's proxies led before. */
  handOver(place: Place, drainMs: number, signal: AbortSignal): Promise<void>
  /** From now on reconciles whenever a container starts or ends, which may give it another address. */
  follow(): void
  /** Where the environment's first service answers. */
  address(place: Place): string | undefined
  close(): Promise<void>
}
interface Route {
  proxy: ReverseProxy
  targets: string[]
}

// Below what systems hand out for outgoing connections and below Kubernetes' node ports.
const firstPort = 20_000
const ports = 10_000
const portsTried = 100
/** How long a port that is known is waited for: the process before this one may still be closing it. */
const knownPortMs = 3_000
const followAgainMs = 1_000

/** Makes the routes of a machine; nothing is opened before the first reconcile. */
export function makeRoutes({ engine, state, host }: { engine: Engine; state: StateFile; host: string }): Routes {
  const routes = new Map<string, Route>()
  const stop = new AbortController()
  const reconcile = oneAtATime(() => reconcileOnce({ engine, state, host, routes, signal: stop.signal }))
  let following: Promise<void> | undefined
  const ofPlace = (place: Place) => [...routes].filter(([key]) => key.startsWith(`${keyOf(place)}/`))
  return {
    reconcile,
    async handOver(place, drainMs, signal) {
      const before = ofPlace(place).map(([, { proxy, targets }]) => ({ proxy, targets }))
      await reconcile()
      const now = new Set(ofPlace(place).flatMap(([, { targets }]) => targets))
      const drains = before.flatMap(({ proxy, targets }) =>
        targets.filter((target) => !now.has(target)).map((target) => proxy.drained(target, drainMs)),
      )
      await within(drainMs + 1_000, signal, () => Promise.all(drains))
    },
    follow() {
      following ??= followEngine(engine, reconcile, stop.signal)
    },
    address(place) {
      const port = ofPlace(place)[0]?.[1].proxy.port
      return port === undefined ? undefined : `http://${host}:${port}`
    },
    async close() {
      stop.abort(new Error('the docker target was closed'))
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
  state: StateFile
  host: string
  routes: Map<string, Route>
  signal: AbortSignal
}

async function reconcileOnce(scene: Scene): Promise<void> {
  const { engine, state, routes, signal } = scene
  signal.throwIfAborted()
  const wanted = await state.read()
  const keys = Object.keys(wanted.services)
  for (const [key, { proxy }] of routes) {
    if (keys.includes(key)) continue
    routes.delete(key)
    await proxy.stop()
  }
  if (keys.length === 0) return
  const containers = await listContainers(engine, { [label.role]: 'release' }, signal)
  for (const key of keys) {
    const route = routes.get(key) ?? (await openRoute(scene, key, wanted))
    route.targets = targetsOf(containers, key, wanted)
    route.proxy.switchTo(route.targets)
  }
}

function targetsOf(containers: ContainerView[], key: string, { services, environments }: MachineState): string[] {
  const service = services[key]
  const place = key.slice(0, key.lastIndexOf('/'))
  const environment = environments[place]
  if (!service || !environment?.serving) return []
  const templates = servingTemplates(environment)
  return containers
    .filter(
      (container) =>
        container.state === 'running' &&
        container.ip !== '' &&
        `${container.labels[label.repository]}/${container.labels[label.environment]}` === place &&
        workloadOf(container) === service.workload &&
        isOf(container, templates) &&
        !environment.leaving?.includes(container.name),
    )
    .map(({ ip }) => `http://${ip}:${service.containerPort}`)
}

async function openRoute({ state, host, routes, signal }: Scene, key: string, known: MachineState): Promise<Route> {
  const recorded = known.services[key]?.port ?? 0
  const taken = new Set(Object.values(known.services).map(({ port }) => port))
  const proxy =
    (recorded && (await openKnown(host, recorded, signal))) || (await openFree(host, key, (port) => taken.has(port)))
  const route: Route = { proxy, targets: [] }
  routes.set(key, route)
  await state.change(({ services }) => {
    const service = services[key]
    if (service) service.port = proxy.port
  })
  return route
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
async function openFree(host: string, key: string, isTaken: (port: number) => boolean): Promise<ReverseProxy> {
  const start = createHash('sha256').update(key).digest().readUInt32BE() % ports
  for (let offset = 0; offset < portsTried; offset++) {
    const port = firstPort + ((start + offset) % ports)
    const proxy = isTaken(port) ? undefined : await openPort(host, port)
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

/** Reads the engine's events (Docker Engine API, "SystemEvents") until it is told to stop; begins again when the engine was away. */
async function followEngine(engine: Engine, reconcile: () => Promise<void>, signal: AbortSignal): Promise<void> {
  const filters = { type: ['container'], event: ['start', 'die'], label: [`${label.role}=release`] }
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
