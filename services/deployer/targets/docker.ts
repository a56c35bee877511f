import { setTimeout as sleep } from 'node:timers/promises'
import { type Engine, engineFault } from '@taxiway/docker/engine.ts'
import { imageExists, pullImage, type RegistryAuth } from '@taxiway/docker/image.ts'
import { label } from '@taxiway/docker/labels.ts'
import { createRunNetwork } from '@taxiway/docker/network.ts'
import { type ReverseProxy, startProxy } from '@taxiway/docker/proxy.ts'
import {
  type ContainerView,
  inspectContainer,
  listContainers,
  removeContainer,
  startContainer,
  stopContainer,
} from '@taxiway/docker/release-container.ts'
import { done, type Outcome, refuse } from '@taxiway/domain/reason.ts'
import type { ReleaseOrder, Restored, Target, Verdict, Work } from '../target.ts'
import { crash, probeOnce } from './docker-readiness.ts'
import { openState } from './docker-state.ts'
import { readObjects, type Workload } from './docker-workload.ts'

export interface DockerTargetOptions {
  engine: Engine
  /** Folder of the record of ports and generations. */
  stateFolder: string
  /** Address that services answer on. */
  host?: string
  registryAuth?: RegistryAuth
}
export interface DockerTarget extends Target {
  /** Serves again what was live when the process ended. */
  open(): Promise<void>
  close(): Promise<void>
}
type Place = Pick<ReleaseOrder, 'repositoryId' | 'environment'>

const pollMs = 150
const drainMs = 10_000
const stopGraceMs = 10_000
const pids = 512

const keyOf = ({ repositoryId, environment }: Place) => `${repositoryId}/${environment}`
const nameOf = (order: Place & { generation: number }, workload: string, index: number) =>
  `taxiway-${order.repositoryId.slice(5, 13)}-${order.environment}-${workload}-g${order.generation}-${index}`.toLowerCase()
const labelsOf = ({ repositoryId, environment }: Place) => ({
  [label.role]: 'release',
  [label.repository]: repositoryId,
  [label.environment]: environment,
})

/** What the target works with: the engine, its record, and the proxies that serve. */
interface Machine {
  options: DockerTargetOptions
  engine: Engine
  state: ReturnType<typeof openState>
  /** `<repository id>/<environment>/<service>` -> its proxy. */
  proxies: Map<string, ReverseProxy>
}

/**
 * One machine without a cluster: new containers start beside the old ones, a reverse proxy in this process switches to
 * them once they are ready, and then the old ones go. Objects are plain Kubernetes manifests, as far as they mean something here.
 */
export function makeDockerTarget(options: DockerTargetOptions): DockerTarget {
  const machine: Machine = {
    options,
    engine: options.engine,
    state: openState(options.stateFolder),
    proxies: new Map(),
  }
  return {
    kind: 'docker',
    dryRun: (order, work) => guarded(work, () => check(machine, order, work)),
    apply: (order, work) => guarded(work, () => apply(machine, order, work)),
    watch: (order, work) => guarded(work, () => watch(machine, order, work)),
    prune: (order, work) => guarded(work, () => prune(machine, order, work)),
    restore: (release, work) => guarded(work, () => restore(machine, release, work)),
    live: (place, work) =>
      guarded(work, async () => {
        const found = (await machine.state.read()).environments[keyOf(place)]
        return done(found && { generation: found.generation, runId: found.runId })
      }),
    open: () => reopen(machine),
    close: async () => void (await Promise.all([...machine.proxies.values()].map((proxy) => proxy.stop()))),
  }
}

async function check({ options }: Machine, order: ReleaseOrder, work: Work): Promise<Outcome<void>> {
  const read = readObjects(order.objects)
  if (!read.ok) return read
  for (const workload of read.value.workloads) {
    const pulled = await havePulled(options, workload.image, work)
    if (!pulled.ok) return pulled
  }
  return done(undefined)
}

async function apply({ engine, state }: Machine, order: ReleaseOrder, work: Work): Promise<Outcome<void>> {
  const live = (await state.read()).environments[keyOf(order)]
  if (live && live.generation > order.generation)
    return refuse('stale_generation', { generation: order.generation, live: live.generation })
  await state.change(({ environments }) => {
    environments[keyOf(order)] = { generation: order.generation, runId: order.runId, serving: live?.serving ?? 0 }
  })
  return startAll(engine, order, work)
}

async function watch(machine: Machine, order: ReleaseOrder, work: Work): Promise<Outcome<Verdict>> {
  const verdict = await waitReady(machine.engine, order, work)
  if (!verdict.healthy) return done(verdict)
  const newest = (await machine.state.read()).environments[keyOf(order)]?.generation ?? 0
  if (newest > order.generation) return refuse('stale_generation', { generation: order.generation, live: newest })
  const addresses = await switchTo(machine, order)
  return done({ healthy: true, ready: [verdict.ready, ...addresses].join(', ') })
}

async function prune(machine: Machine, order: ReleaseOrder, work: Work): Promise<Outcome<void>> {
  const { engine, state, proxies } = machine
  const containers = await listContainers(engine, labelsOf(order), work.signal)
  const old = containers.filter(({ labels }) => Number(labels[label.generation]) < order.generation)
  const { services } = await state.read()
  const routes = [...proxies].flatMap(([key, proxy]) =>
    services[key] ? [{ proxy, port: services[key].containerPort }] : [],
  )
  await Promise.all(old.map((container) => retire(engine, container, routes)))
  return done(undefined)
}

async function restore(
  machine: Machine,
  release: Parameters<Target['restore']>[0],
  work: Work,
): Promise<Outcome<Restored>> {
  const { engine, state } = machine
  const { failed, previous, generation } = release
  const containers = await listContainers(engine, labelsOf(failed), work.signal)
  await Promise.all(ofGeneration(containers, failed.generation).map(({ id }) => removeContainer(engine, id)))
  const keep = (serving: number) =>
    state.change(({ environments }) => {
      environments[keyOf(failed)] = { generation, runId: (previous ?? failed).runId, serving }
    })
  await keep(previous?.generation ?? 0)
  if (!previous) return done({ complete: true, detail: 'scaled to 0: there was no earlier release' })
  // Most often its containers never stopped serving.
  const started = await startAll(engine, previous, work)
  if (!started.ok) return started
  const verdict = await waitReady(engine, previous, work)
  if (!verdict.healthy)
    return done({ complete: false, detail: `and the earlier release is not healthy either: ${verdict.detail}` })
  await switchTo(machine, previous)
  await keep(previous.generation)
  return done({ complete: true, detail: `rolled back to ${previous.sha.slice(0, 7)}` })
}

async function reopen({ engine, options, state, proxies }: Machine): Promise<void> {
  const { services, environments } = await state.read()
  for (const [key, { port, workload, containerPort }] of Object.entries(services)) {
    if (proxies.has(key)) continue
    const [repositoryId = '', environment = ''] = key.split('/')
    const serving = environments[`${repositoryId}/${environment}`]?.serving ?? 0
    const containers = ofGeneration(await listContainers(engine, labelsOf({ repositoryId, environment })), serving)
    const proxy = await startProxy({ host: options.host ?? '127.0.0.1', port })
    proxy.switchTo(targetsOf(containers, workload, containerPort))
    proxies.set(key, proxy)
  }
}

/** Points every service of the environment to the ready containers of one release. @returns their addresses */
async function switchTo({ engine, options, state, proxies }: Machine, order: ReleaseOrder): Promise<string[]> {
  const read = readObjects(order.objects)
  if (!read.ok) return []
  const host = options.host ?? '127.0.0.1'
  const containers = ofGeneration(await listContainers(engine, labelsOf(order)), order.generation)
  const addresses: string[] = []
  for (const { service, workload, port } of read.value.services) {
    const key = `${keyOf(order)}/${service}`
    const known = (await state.read()).services[key]
    const proxy = proxies.get(key) ?? (await startProxy({ host, port: known?.port ?? 0 }))
    proxies.set(key, proxy)
    proxy.switchTo(targetsOf(containers, workload, port))
    await state.change(({ services }) => {
      services[key] = { port: proxy.port, workload, containerPort: port }
    })
    addresses.push(`http://${host}:${proxy.port}`)
  }
  await state.change(({ environments }) => {
    environments[keyOf(order)] = { generation: order.generation, runId: order.runId, serving: order.generation }
  })
  return addresses
}

const ofGeneration = (containers: ContainerView[], generation: number) =>
  containers.filter(({ labels }) => labels[label.generation] === String(generation))
const targetsOf = (containers: ContainerView[], workload: string, port: number) =>
  containers
    .filter(({ labels, state, ip }) => labels[label.step] === workload && state === 'running' && ip !== '')
    .map(({ ip }) => `http://${ip}:${port}`)

/** An engine that is away is a reason, not a fault. */
async function guarded<T>(work: Work, call: () => Promise<Outcome<T>>): Promise<Outcome<T>> {
  try {
    return await call()
  } catch (error) {
    work.signal.throwIfAborted()
    const why = engineFault(error, { midWork: true })
    if (why) return { ok: false, reason: why }
    throw error
  }
}

async function havePulled(
  { engine, registryAuth }: DockerTargetOptions,
  image: string,
  { deadlineMs, signal }: Work,
): Promise<Outcome<unknown>> {
  if (await imageExists(engine, image, signal)) return done(undefined)
  return pullImage(engine, image, { deadlineMs, signal, ...(registryAuth ? { auth: registryAuth } : {}) })
}

/** Starts what is not running yet of an order; a repetition finds its own containers. */
async function startAll(engine: Engine, order: ReleaseOrder, { signal, say }: Work): Promise<Outcome<void>> {
  const read = readObjects(order.objects)
  if (!read.ok) return read
  const network = `taxiway-${order.repositoryId.slice(5, 13)}-${order.environment}`
  const made = await createRunNetwork(engine, { name: network, labels: labelsOf(order) }, signal)
  if (!made.ok) return made
  for (const workload of read.value.workloads) {
    for (let index = 0; index < workload.replicas; index++) {
      const name = nameOf(order, workload.name, index)
      if ((await inspectContainer(engine, name, signal))?.state === 'running') continue
      say(`starting ${name}`)
      const started = await startContainer(engine, { ...specOf(order, workload), name, network }, signal)
      if (!started.ok) return started
    }
  }
  return done(undefined)
}

const specOf = (order: ReleaseOrder, workload: Workload) => ({
  image: workload.image,
  ...(workload.command.length > 0 ? { command: workload.command } : {}),
  env: workload.env,
  ...(workload.workdir ? { workdir: workload.workdir } : {}),
  labels: { ...labelsOf(order), [label.generation]: String(order.generation), [label.step]: workload.name },
  memoryMb: workload.memoryMb,
  cpus: workload.cpus,
  pids,
  aliases: [workload.name],
})

/** Waits until every container of the order is ready, or one can't become so. */
async function waitReady(engine: Engine, order: ReleaseOrder, { deadlineMs, signal }: Work): Promise<Verdict> {
  const read = readObjects(order.objects)
  if (!read.ok) return { healthy: false, detail: read.reason.message }
  const wanted = read.value.workloads.flatMap((workload) =>
    Array.from({ length: workload.replicas }, (_, index) => ({ workload, name: nameOf(order, workload.name, index) })),
  )
  const until = performance.now() + deadlineMs
  for (;;) {
    let waitsFor: string | undefined
    for (const { workload, name } of wanted) {
      const container = await inspectContainer(engine, name, signal)
      if (!container) return { healthy: false, detail: `${workload.name}: its container is gone` }
      const broken = await crash(engine, workload, container)
      if (broken) return { healthy: false, detail: broken }
      const answer = await probeOnce(engine, workload.probe, container)
      if (answer) waitsFor ??= `${workload.name}: never ready: ${answer}`
    }
    if (!waitsFor) return { healthy: true, ready: `${wanted.length} of ${wanted.length} ready` }
    if (performance.now() > until) return { healthy: false, detail: waitsFor }
    await sleep(pollMs, undefined, { signal })
  }
}

/** Takes a container out of service: the requests it is answering may end first. */
async function retire(
  engine: Engine,
  container: ContainerView,
  routes: { proxy: ReverseProxy; port: number }[],
): Promise<void> {
  await Promise.all(routes.map(({ proxy, port }) => proxy.drained(`http://${container.ip}:${port}`, drainMs)))
  await stopContainer(engine, container.id, stopGraceMs)
}
