import { createHash } from 'node:crypto'
import { done, type Outcome, type Reason, reason, refuse } from '@taxiway/domain/reason.ts'
import type { RegistryAuth } from '@taxiway/registry/call.ts'
import { isEngineDiskFull } from '../engine/disk-use.ts'
import { callBack, type Engine, engineFault, isDiskFull, stream } from '../engine/engine.ts'
import { type EngineEvent, readEvents } from '../engine/events.ts'
import { runOfImage } from '../engine/labels.ts'
import { explainBuildFailure } from './build-failure.ts'
import { type BuildLine, type BuildStatus, loadStatusDecoder, makeBuildLog } from './buildkit.ts'
import type { BuildContext, PackingContext } from './context.ts'
import { forbiddenBuildArg } from './dockerfile.ts'
import { fileService } from './filesync.ts'
import { authService, openSession, type Session, secretsService } from './session.ts'
import type { StepLimiter, StepLimits } from './step-limits.ts'

/** What is built, and within which bounds. */
export interface BuildOrder {
  /** The image's name in the pipeline, for messages. */
  image: string
  /** From packContext; closed in the end. One that is still being packed is waited for when BuildKit asks for its files. */
  context: BuildContext | PackingContext
  /** Builds of the same key have most of their files in common: only what differs from the last is sent. Never shared with others' code. */
  sharedKey?: string
  /** Build up to this stage. */
  target?: string
  /** Local names for the result, at least one: see workImage. What has no name is never swept. */
  tags: string[]
  /** Why an image that the Dockerfile names may not be used, if it may not. */
  refuse?(image: string): Reason | undefined
  /**
   * Hears of each image that the Dockerfile names as the builder resolves it, which takes what the engine has. `moved`: that is another now than
   * when the build began (ms of performance.now), so it is built again. Better seen to before the context is given.
   */
  haveBase?(image: string, sinceMs: number): Promise<Outcome<'same' | 'moved'>>
  /** Go into the image and to every container made from it, so none of our own labels may stand here. */
  labels?: Record<string, string>
  args?: Record<string, string>
  /** Name -> value, for steps that mount them (`RUN --mount=type=secret,id=NAME`). Never in the image, its history or an argument. */
  secrets?: Readonly<Record<string, string>>
  /** Results of `RUN` steps are taken from the cache, and left there, for builds with the same word only: what was made with a secret is nobody else's. */
  cacheScope?: string
  /** Whose cache mounts (`RUN --mount=type=cache`) its steps see: those of builds with the same word, and no others. What one step leaves there, another runs. */
  cacheMounts: string
  /** As in `linux/arm64`. Default: the engine's own. */
  platform?: string
  cacheFrom?: string[]
  /** By registry host: who we are to it, for base images. Never in the image. */
  auths?: Readonly<Record<string, RegistryAuth>>
  /** The limits that its steps are held to by limitBuildSteps, for the words of a failure. */
  steps?: StepLimits & { limiter: StepLimiter }
  /** Builds every step anew. */
  noCache?: boolean
  signal: AbortSignal
  deadlineMs: number
  /** Lines as they come; a promise holds the reading back. */
  onLine(line: BuildLine): void | Promise<void>
}
/** A built image, known by its id: `sha256:` and the digest of its configuration. */
export interface Built {
  imageId: string
  durationMs: number
  /** What it was made from, as the builder has resolved the names: with a digest where it asked a registry. */
  bases: string[]
}

/**
 * Builds an image with BuildKit (Engine API `POST /build?version=2`). Refuses with what the Dockerfile did (`build_failed`,
 * `image_not_found`, `out_of_memory`), what the engine did (`disk_full`, `docker_unavailable`, `docker_daemon_restarted`), or
 * `timeout`; when the signal is aborted, the build stops and the signal's reason is thrown.
 */
export async function buildImage(engine: Engine, order: BuildOrder): Promise<Outcome<Built>> {
  const packed = 'packed' in order.context ? order.context.packed : Promise.resolve(done(order.context))
  packed.catch(() => {})
  const startedMs = performance.now()
  const deadline = AbortSignal.timeout(order.deadlineMs)
  const progress: Progress = {
    killsBefore: (await order.steps?.limiter.memoryKills()) ?? 0,
    isDiskFull: false,
    log: makeBuildLog(),
    startedAt: Date.now(),
    hasStarted: false,
    named: new Map(),
    bases: new Set(),
  }
  try {
    const option = forbiddenBuildArg(order.args ?? {})
    if (option !== undefined) return refuse('option_not_allowed', { option: `build argument ${option}` })
    order.signal.throwIfAborted()
    const signal = AbortSignal.any([order.signal, deadline])
    let imageId: string | undefined
    while (imageId === undefined) {
      Object.assign(progress, { log: makeBuildLog(), named: new Map(), bases: new Set() })
      imageId = await follow(engine, { ...order, packed }, signal, progress)
    }
    const durationMs = Math.round(performance.now() - startedMs)
    return done({ imageId, durationMs, bases: [...progress.bases] })
  } catch (error) {
    order.signal.throwIfAborted()
    if (deadline.aborted)
      return refuse('timeout', { step: `Build of ${order.image}`, seconds: Math.round(order.deadlineMs / 1000) })
    // BuildKit could not have the files: the cause is here, what it says is not.
    const context = await packed
    if (!context.ok) return context
    const why = await explain(error, order, progress)
    if (why) return { ok: false, reason: why }
    throw error
  } finally {
    const context = await packed.catch(() => undefined)
    if (context?.ok) await context.value.close()
  }
}

interface Progress {
  /** Processes killed for want of memory before it began. */
  killsBefore: number
  isDiskFull: boolean
  log: ReturnType<typeof makeBuildLog>
  startedAt: number
  hasStarted: boolean
  /** Images of registries that its steps have named, and whether they were asked about; */
  named: Map<string, boolean>
  /** those that it takes from, also of this run. */
  bases: Set<string>
}

/** Why this build does not go on, as what it asks for may not or can't be had. */
class Refused extends Error {
  readonly reason: Reason
  constructor(why: Reason) {
    super(why.message)
    this.reason = why
  }
}
const forbidden = (option: string) => new Refused(reason('option_not_allowed', { option }))

/** The engine's own report that a build failed. */
class BuildError extends Error {}

async function explain(error: unknown, order: BuildOrder, progress: Progress): Promise<Reason | undefined> {
  if (error instanceof Refused) return error.reason
  if (error instanceof BuildError) {
    const words = { image: order.image, ...order.steps }
    const met = order.steps?.limiter.endedSince(progress.startedAt)
    const isOutOfMemory = ((await order.steps?.limiter.memoryKills()) ?? 0) > progress.killsBefore
    const facts = { met, isOutOfMemory, isDiskFull: progress.isDiskFull }
    return explainBuildFailure(error.message, progress.log.failed(), words, facts)
  }
  return engineFault(error, { midWork: progress.hasStarted })
}

type Started = BuildOrder & { packed: PackingContext['packed'] }

/** @returns undefined when a base has moved meanwhile */
async function follow(
  engine: Engine,
  order: Started,
  signal: AbortSignal,
  progress: Progress,
): Promise<string | undefined> {
  // Also without credentials: any registry that asks who is there, as Docker Hub does, needs somebody to answer.
  const services = [await authService(order.auths ?? {}), await fileService(order.packed)]
  if (order.secrets) services.push(await secretsService(order.secrets))
  const session = await openSession(engine, services, { sharedKey: order.sharedKey, signal })
  try {
    return await readBuild(engine, order, session, signal, progress)
  } finally {
    session.close()
  }
}

async function readBuild(
  engine: Engine,
  order: BuildOrder,
  session: Session,
  signal: AbortSignal,
  progress: Progress,
): Promise<string | undefined> {
  const sinceMs = performance.now()
  let isOld = false
  const decode = await loadStatusDecoder()
  const query = queryOf(order, { ...networkOf(engine), session: session.id })
  const answer = await stream(engine, { method: 'POST', path: `/build?${query}` }, signal)
  progress.hasStarted = true
  let imageId: string | undefined
  try {
    for await (const event of readEvents(answer)) {
      signal.throwIfAborted()
      if (event.error !== undefined) {
        for (const line of progress.log.end()) await callBack(() => order.onLine(line))
        throw new BuildError(event.errorDetail?.message ?? event.error)
      }
      imageId = imageIdOf(event) ?? imageId
      for (const line of linesOf(event, decode, progress, order)) {
        // Now, while what filled it is there.
        if (isDiskFull(line.text)) progress.isDiskFull ||= await isEngineDiskFull(engine)
        await callBack(() => order.onLine(line))
      }
      isOld ||= await hasMoved(order, progress, sinceMs)
    }
  } finally {
    answer.destroy()
  }
  for (const line of progress.log.end()) await callBack(() => order.onLine(line))
  if (imageId === undefined) throw new Error('docker stream ended early')
  // Not before it has ended: builds that run beside each other share what they have looked up.
  return isOld ? undefined : imageId
}

/** Asks about the images that were named since it asked last. @throws Refused */
async function hasMoved({ haveBase }: BuildOrder, { named }: Progress, sinceMs: number): Promise<boolean> {
  if (!haveBase) return false
  for (const [name, isAsked] of named) {
    if (isAsked) continue
    named.set(name, true)
    const had = await callBack(() => haveBase(name, sinceMs))
    if (!had.ok) throw new Refused(had.reason)
    if (had.value === 'moved') return true
  }
  return false
}

/** BuildKit knows no networks but the default one and none. */
const networkOf = ({ work }: Engine): Record<string, string> => (work?.egress === 'none' ? { networkmode: 'none' } : {})

/** All of the order stands in the query: with a body, the engine would wait for a context in it. */
function queryOf(order: BuildOrder, more: Record<string, string>): URLSearchParams {
  const query = new URLSearchParams({
    version: '2',
    // BuildKit asks for the files on the session.
    remote: 'client-session',
    dockerfile: 'packed' in order.context ? order.context.dockerfile : order.context.dockerfile.path,
    ...(order.target ? { target: order.target } : {}),
    ...(order.labels ? { labels: JSON.stringify(order.labels) } : {}),
    buildargs: JSON.stringify({ ...order.args, BUILDKIT_CACHE_MOUNT_NS: mountsOf(order) }),
    // The name of a host is part of what a step's result is known by; its address is not (moby/buildkit solver/llbsolver/ops/exec.go).
    ...(order.cacheScope ? { extrahosts: `${order.cacheScope}.cache-scope.invalid:127.0.0.1` } : {}),
    ...(order.platform ? { platform: order.platform } : {}),
    ...(order.noCache ? { nocache: 'true' } : {}),
    ...(order.cacheFrom?.length ? { cachefrom: JSON.stringify(order.cacheFrom) } : {}),
    ...more,
  })
  for (const tag of order.tags) query.append('t', tag)
  return query
}

/** The frontend puts it before the name of every cache mount (moby/buildkit frontend/dockerfile); of one length, so that no other name can begin with it. */
const mountsOf = ({ cacheMounts }: BuildOrder): string => createHash('sha256').update(cacheMounts).digest('hex')

const imageIdOf = (event: EngineEvent): string | undefined => (typeof event.aux === 'object' ? event.aux.ID : undefined)

/** @throws Refused */
function linesOf(
  event: EngineEvent,
  decode: (aux: string) => BuildStatus,
  { log, named, bases }: Progress,
  order: BuildOrder,
): BuildLine[] {
  if (event.id === 'moby.buildkit.trace' && typeof event.aux === 'string') {
    const status = decode(event.aux)
    for (const { name } of status.vertexes) {
      const image = foreignImage(name, order)
      if (image !== undefined && !named.has(image)) named.set(image, false)
      const base = /^(?:\[[^\]]*\] )?FROM (\S+)/.exec(name)?.[1]
      if (base !== undefined) bases.add(base)
    }
    return log.add(status)
  }
  const text = event.stream?.trimEnd()
  return text ? [{ stream: 'progress', text }] : []
}

/**
 * The image of a registry that a step names, as the builder has resolved it, whatever build arguments the Dockerfile put it together from.
 * @throws Refused
 */
function foreignImage(step: string, { tags, refuse: refusal }: BuildOrder): string | undefined {
  if (/^(https?|git|ssh):\/\/|^git@/.test(step)) throw forbidden('ADD of a URL, use RUN to fetch it')
  const image = /^(?:\[internal\] load metadata for|(?:\[[^\]]*\] )?FROM) (\S+)/.exec(step)?.[1]
  if (image === undefined) return undefined
  const run = runOfImage(image)
  if (run !== undefined) {
    if (!tags.some((tag) => runOfImage(tag) === run)) throw forbidden(`image ${image}`)
    return undefined
  }
  const why = refusal?.(image)
  if (why) throw new Refused(why)
  return image
}
