import type { Cause, Explanation } from '@taxiway/domain/environment/explanation.ts'
import type { Verdict } from '@taxiway/domain/environment/release.ts'
import { type Outcome, oneLine } from '@taxiway/domain/reason.ts'
import { type ContainerView, containerLogsTail, inspectContainer } from '../container/release-container.ts'
import { type Engine, pause } from '../engine/engine.ts'
import type { Wanted } from './container.ts'
import { inspectImage } from './image.ts'
import type { Workload } from './pod.ts'
import { ask } from './probe.ts'

const pollMs = 150
/** A program may fail this often before it counts as a crash loop: many wait for a neighbour by exiting. */
const restartsAllowed = 2
/** What has run for so long has recovered; the engine starts its own back-off anew then, too. */
const recoveredMs = 10_000

/** What waiting for a release works with. */
export interface Readiness {
  engine: Engine
  /** Starts a container that is not there. @returns why it can't */
  start(wanted: Wanted): Promise<Outcome<string | undefined>>
  /** Refuses when a newer release has come. */
  checkNewest(): Promise<Outcome<void>>
}
/** What is told of a container that is not ready. */
type Told = Omit<Explanation, 'workload' | 'container'>
type Look = { is: 'ready' } | { is: 'waiting' | 'broken'; explanation: Explanation }
type LookAt = (untilMs: number, signal: AbortSignal) => Promise<Outcome<Look>>

/** Waits until every container is ready and runs the image it was given, or one can't become so. */
export async function waitReady(
  readiness: Readiness,
  wanted: Wanted[],
  { deadlineMs, signal }: { deadlineMs: number; signal: AbortSignal },
): Promise<Outcome<Verdict>> {
  const looks = wanted.map((one) => makeLook(readiness, one))
  const untilMs = performance.now() + deadlineMs
  for (;;) {
    const newest = await readiness.checkNewest()
    if (!newest.ok) return newest
    let waiting: Explanation | undefined
    for (const looked of await Promise.all(looks.map((look) => look(untilMs, signal)))) {
      if (!looked.ok) return looked
      const look = looked.value
      if (look.is === 'broken') return { ok: true, value: unhealthy(look.explanation) }
      if (look.is === 'waiting') waiting ??= look.explanation
    }
    if (waiting === undefined)
      return { ok: true, value: { healthy: true, ready: `${wanted.length} of ${wanted.length} ready` } }
    if (performance.now() >= untilMs) return { ok: true, value: unhealthy(waiting) }
    await pause(pollMs, signal)
  }
}

/** The verdict that follows from an explanation. */
export const unhealthy = (explanation: Explanation): Verdict => ({
  healthy: false,
  detail: `${explanation.workload}: ${explanation.text}`,
  explanation,
})

/** Looks at one container again and again, and keeps what must not be forgotten between two looks. */
function makeLook({ engine, start }: Readiness, wanted: Wanted): LookAt {
  const { workload, name } = wanted
  const found = (is: 'waiting' | 'broken', told: Told): Outcome<Look> => ({
    ok: true,
    value: { is, explanation: { workload: workload.name, container: name, ...told } },
  })
  const notReady = (text: string) => found('waiting', { cause: 'not_ready', text: `never ready: ${text}` })
  /** How it ended last: the engine forgets that with the next start. */
  let ended: { exitCode: number; oomKilled: boolean } | undefined
  const askAgain = makeQuestion(engine, workload)
  return async (untilMs, signal) => {
    const container = await inspectContainer(engine, name, signal)
    if (!container) {
      const started = await start(wanted)
      if (!started.ok) return started
      return started.value
        ? found('broken', { cause: causeOf(started.value), text: started.value })
        : notReady('it just started')
    }
    if (container.state !== 'running' && container.state !== 'created') ended = container
    if (ended && isBroken(container, ended)) return found('broken', await explain(engine, container, ended, workload))
    const objection = await askAgain(container, untilMs, signal)
    if (objection) return notReady(objection)
    const wrong = await wrongImage(engine, container, workload.image, signal)
    return wrong ? found('broken', { cause: 'wrong_image', text: wrong }) : { ok: true, value: { is: 'ready' } }
  }
}

const causeOf = (text: string): Cause => (text.startsWith("image can't") ? 'image_not_found' : 'program_missing')

function isBroken(container: ContainerView, ended: { oomKilled: boolean }): boolean {
  if (ended.oomKilled || container.state === 'exited' || container.state === 'dead') return true
  return container.restarts >= restartsAllowed && upMs(container) < recoveredMs
}

const upMs = ({ state, startedAt }: ContainerView): number =>
  state === 'running' ? Date.now() - Date.parse(startedAt) : 0

/** How it ended, and its last lines. */
export async function explain(
  engine: Engine,
  { id }: ContainerView,
  { exitCode, oomKilled }: { exitCode: number; oomKilled: boolean },
  { memoryMb }: Workload,
): Promise<Told> {
  const log = (await containerLogsTail(engine, id, 20)).filter((line) => line.trim() !== '')
  const last = log.at(-1)
  const kept = { exitCode, ...(log.length > 0 ? { log } : {}) }
  if (oomKilled) return { cause: 'out_of_memory', text: `out of memory, its limit is ${memoryMb} MB`, ...kept }
  return { cause: 'crash', text: `crash loop, exit ${exitCode}${last ? `: ${oneLine(last, 200)}` : ''}`, ...kept }
}

/** Asks the probe when its time has come, and counts successes; between two questions the last answer stands. */
export function makeQuestion(engine: Engine, { probe }: Pick<Workload, 'probe'>) {
  let startedAt = ''
  let answer: string | undefined
  let successes = 0
  let nextMs = 0
  return async (container: ContainerView, untilMs: number, signal: AbortSignal): Promise<string | undefined> => {
    if (container.startedAt !== startedAt) {
      startedAt = container.startedAt
      successes = 0
      nextMs = 0
    }
    if (container.state !== 'running') return `its container is ${container.state}`
    if (upMs(container) < Math.max(probe.initialDelayMs, probe.settleMs)) return answer ?? 'it just started'
    const nowMs = performance.now()
    if (nowMs < nextMs) return successes >= probe.successes ? undefined : (answer ?? 'it just became ready')
    nextMs = nowMs + probe.periodMs
    // The last question may not outlast the wait.
    const timeoutMs = Math.max(100, Math.min(probe.timeoutMs, Math.round(untilMs - nowMs)))
    const said = await ask(engine, probe, container, timeoutMs, signal)
    successes = said === undefined ? successes + 1 : 0
    answer = said ?? answer
    return successes >= probe.successes ? undefined : (answer ?? 'it just became ready')
  }
}

/** Containers are made from references by digest; this holds even if somebody gave the name to another image. */
async function wrongImage(
  engine: Engine,
  { image, imageId }: ContainerView,
  ordered: string,
  signal: AbortSignal,
): Promise<string | undefined> {
  if (digestOf(image) !== digestOf(ordered)) return `it runs ${image} instead of ${ordered}`
  const id = (await inspectImage(engine, ordered, signal))?.Id
  return id === undefined || id === imageId ? undefined : `it runs ${imageId} instead of ${ordered}`
}

const digestOf = (image: string): string => image.split('@')[1] ?? image
