import type { Explanation } from '@taxiway/domain/environment/explanation.ts'
import type { ReleaseOrder, Verdict } from '@taxiway/domain/environment/release.ts'
import type { Work } from '@taxiway/domain/environment/work.ts'
import type { Outcome } from '@taxiway/domain/reason.ts'
import { type ContainerView, inspectContainer, nextExit } from '../container/release-container.ts'
import { pause } from '../engine/engine.ts'
import { label } from '../engine/labels.ts'
import { containersOf, type Wanted, wantedOf } from './container.ts'
import { explain, makeQuestion, unhealthy } from './readiness.ts'
import { awaitReady, checkNewest, type Machine } from './release.ts'
import { readTemplates } from './template.ts'
import type { Plan } from './workload.ts'

/** As often as a probe is asked at most; an exit is told by the engine, whenever it is. */
const askEveryMs = 1_000

/** What is known of one container since the soak began. */
interface Kept {
  wanted: Wanted
  id: string
  startedAt: string
  ask: ReturnType<typeof makeQuestion>
  /** Questions in a row that it did not answer well. */
  failures: number
  exitCode?: number
}

/**
 * Keeps an eye on the containers of a release for `forMs`: it stays healthy when none ends and each goes on answering its probe
 * (as often as its failureThreshold allows), and at the end all are ready and run the image they were given. What a release
 * took over and has run for so long has been through that. An earlier release that is given again is live under another
 * `generation` than its own.
 */
export async function soak(
  machine: Machine,
  order: ReleaseOrder,
  plan: Plan,
  { forMs, generation = order.generation }: { forMs: number; generation?: number },
  work: Work,
): Promise<Outcome<Verdict>> {
  const wanted = wantedOf(order, plan, await readTemplates(machine, order))
  const isYoung = ({ labels, startedAt }: ContainerView) =>
    labels[label.run] === order.runId || Date.now() - Date.parse(startedAt) < forMs
  if (!(await containersOf(machine.engine, order, work.signal)).some(isYoung)) {
    work.say('it has stayed so already: nothing was started anew')
    return awaitReady(machine, order, plan, generation, work)
  }
  const over = new AbortController()
  const signal = AbortSignal.any([work.signal, over.signal])
  const untilMs = performance.now() + work.deadlineMs
  const endMs = performance.now() + forMs
  try {
    const all = await Promise.all(wanted.map((one) => keep(machine, one, signal)))
    for (;;) {
      const newest = await checkNewest(machine, order, generation)
      if (!newest.ok) return newest
      for (const one of all) {
        const lost = typeof one === 'string' ? gone(one) : await lossOf(machine, one, untilMs, signal)
        if (lost) return { ok: true, value: unhealthy({ ...lost, text: `did not stay healthy: ${lost.text}` }) }
      }
      const leftMs = endMs - performance.now()
      if (leftMs <= 0) break
      const exits = all.flatMap((one) => (typeof one === 'string' ? [] : one.exited))
      await Promise.race([pause(Math.min(askEveryMs, leftMs), signal), ...exits])
    }
  } finally {
    over.abort(new Error('the soak is over'))
  }
  const leftMs = Math.max(1, untilMs - performance.now())
  return awaitReady(machine, order, plan, generation, { ...work, deadlineMs: leftMs })
}

const gone = (workload: string): Explanation => ({ workload, cause: 'deleted', text: 'its container is gone' })

/** @returns the name of the workload when its container is not there */
async function keep(
  { engine }: Machine,
  wanted: Wanted,
  signal: AbortSignal,
): Promise<(Kept & { exited: Promise<void> }) | string> {
  const { workload, name } = wanted
  const container = await inspectContainer(engine, name, signal)
  if (!container) return workload.name
  const { id, startedAt } = container
  const kept: Kept = { wanted, id, startedAt, ask: makeQuestion(engine, workload), failures: 0 }
  const exited = nextExit(engine, id, signal).then(
    (exitCode) => {
      kept.exitCode = exitCode
    },
    // The next look at the container tells what is wrong.
    () => new Promise<void>((_, reject) => signal.addEventListener('abort', () => reject(signal.reason))),
  )
  exited.catch(() => {})
  return Object.assign(kept, { exited })
}

async function lossOf(
  { engine }: Machine,
  kept: Kept,
  untilMs: number,
  signal: AbortSignal,
): Promise<Explanation | undefined> {
  const { workload, name } = kept.wanted
  const container = await inspectContainer(engine, kept.id, signal)
  if (!container) return gone(workload.name)
  const isAnew = container.startedAt !== kept.startedAt || container.state !== 'running'
  if (isAnew || kept.exitCode !== undefined) {
    const exitCode = kept.exitCode ?? container.exitCode
    const told = await explain(engine, container, { exitCode, oomKilled: container.oomKilled }, workload)
    return { workload: workload.name, container: name, ...told, text: told.text.replace('crash loop, ', '') }
  }
  const objection = await kept.ask(container, untilMs, signal)
  kept.failures = objection === undefined ? 0 : kept.failures + 1
  if (kept.failures < workload.probe.failures) return undefined
  return { workload: workload.name, container: name, cause: 'not_ready', text: `not ready any more: ${objection}` }
}
