import { callDeadlineMs, engineFault, within } from '@taxiway/docker/engine/engine.ts'
import { makeProxyClient } from '@taxiway/docker/proxy/control.ts'
import { restart, scale } from '@taxiway/docker/release/adjust.ts'
import { keyOf, startAll } from '@taxiway/docker/release/container.ts'
import { checkImage } from '@taxiway/docker/release/image.ts'
import { endJob, runJob } from '@taxiway/docker/release/job.ts'
import { keepRunning } from '@taxiway/docker/release/keep-running.ts'
import { follow, readState } from '@taxiway/docker/release/live.ts'
import { prune } from '@taxiway/docker/release/prune.ts'
import {
  awaitReady,
  checkNewest,
  claim,
  type DockerTargetOptions,
  type Machine,
  newest,
  putServices,
} from '@taxiway/docker/release/release.ts'
import { remove } from '@taxiway/docker/release/remove.ts'
import { restore } from '@taxiway/docker/release/restore.ts'
import { drainMs } from '@taxiway/docker/release/retire.ts'
import { soak } from '@taxiway/docker/release/soak.ts'
import { openState } from '@taxiway/docker/release/state.ts'
import { keepTemplates, planTemplates } from '@taxiway/docker/release/template.ts'
import { type Plan, readObjects } from '@taxiway/docker/release/workload.ts'
import { chosen, type ReleaseOrder, type Verdict } from '@taxiway/domain/environment/release.ts'
import type { Target } from '@taxiway/domain/environment/target.ts'
import { isLast } from '@taxiway/domain/environment/waves.ts'
import type { Work } from '@taxiway/domain/environment/work.ts'
import { done, type Outcome, refuse } from '@taxiway/domain/reason.ts'

/** The target, and where its services answer. */
export interface DockerTarget extends Target {
  /** Where the environment's first service answers: `http://127.0.0.1:20123`. Undefined: it has none, or no proxy told of it. */
  address(repositoryId: string, environment: string): string | undefined
}

/**
 * One machine without a cluster: new containers start beside the old ones, a reverse proxy, which is a process of its own, leads to
 * them once they are ready, and then the old ones go. Objects are plain Kubernetes manifests, as far as they mean something here.
 */
export function makeDockerTarget(options: DockerTargetOptions): DockerTarget {
  const state = openState(options.stateFolder)
  const proxy = makeProxyClient({ folder: options.stateFolder, state, host: options.host ?? '127.0.0.1' })
  const machine: Machine = { ...options, state, proxy }
  return {
    kind: 'docker',
    ground: async () => done({ kind: 'docker' }),
    dryRun: (order, work) => guarded(work, 0, (bounded) => check(machine, order, bounded)),
    // An order with steps is refused by the check.
    advance: async () => done({ healthy: true, ready: 'it has no steps' }),
    apply: (order, work) => guarded(work, 0, (bounded) => apply(machine, order, bounded)),
    // These two judge by the deadline themselves; a call that hangs then still ends.
    watch: (order, work) => guarded(work, callDeadlineMs, (bounded) => watch(machine, order, bounded)),
    soak: (order, forMs, work) =>
      guarded(work, callDeadlineMs, async (bounded) => {
        const plan = readObjects(order.objects, order.secrets)
        return plan.ok ? soak(machine, order, plan.value, { forMs }, bounded) : plan
      }),
    restore: (release, work) => guarded(work, callDeadlineMs, (bounded) => restore(machine, release, bounded)),
    runJob: (order, job, work, onOutput) =>
      guarded(work, 0, (bounded) => runJob(machine, order, job, bounded, onOutput)),
    endJob: (order, job, work) => guarded(work, 0, async () => done(await endJob(machine, order, job))),
    prune: (order, work, how) => guarded(work, drainMs, (bounded) => prune(machine, order, bounded, how)),
    live: (place, work) =>
      guarded(work, 0, async ({ signal }) => {
        const { generation, runId } = await newest(machine, place, signal)
        return done(generation > 0 ? { generation, runId } : undefined)
      }),
    remove: (place, stillHeld, work) => guarded(work, 0, (bounded) => remove(machine, place, stillHeld, bounded)),
    state: (live, work) => guarded(work, 0, ({ signal }) => readState(machine, chosen(live), signal)),
    // A container can't be changed, and one that is gone is started again whatever `drift` says.
    drift: async (_live, names) => done(new Map(names.map((name) => [name, null]))),
    correct: async () => done(undefined),
    keepRunning: (live, work) => guarded(work, 0, (bounded) => keepRunning(machine, live, bounded)),
    scale: (live, change, work) => guarded(work, 0, (bounded) => scale(machine, live, change, bounded)),
    restart: (live, change, work) =>
      guarded(work, callDeadlineMs, (bounded) => restart(machine, live, change, bounded)),
    follow: (_live, signal) => follow(signal),
    address: (repositoryId, environment) => proxy.address({ repositoryId, environment }),
  }
}

async function check(machine: Machine, order: ReleaseOrder, work: Work): Promise<Outcome<void>> {
  if (order.strategy)
    return refuse('manifest_unsupported', {
      object: `deploy.${order.environment}.${order.strategy.kind}`,
      detail:
        'its steps and measures need Kubernetes; without it, new containers are started beside the old ones and take over once they are ready',
    })
  const plan = readObjects(order.objects, order.secrets)
  if (!plan.ok) return plan
  for (const note of plan.value.notes) work.say(note)
  for (const image of new Set(plan.value.workloads.map((workload) => workload.image))) {
    const found = await checkImage(machine, image, work)
    if (!found.ok) return found
  }
  return done(undefined)
}

async function apply(machine: Machine, order: ReleaseOrder, work: Work): Promise<Outcome<void>> {
  const plan = readObjects(order.objects, order.secrets)
  if (!plan.ok) return plan
  const found = await newest(machine, order, work.signal)
  const stale = refuse('stale_generation', { generation: order.generation, live: found.generation })
  if (found.generation > order.generation) return stale
  if (found.generation === order.generation && found.runId !== order.runId) return stale
  const templates = await planTemplates(machine, order, plan.value, work)
  if (!templates.ok) return templates
  const claimed = await claim(machine, order, order)
  if (!claimed.ok) return claimed
  await keepTemplates(machine, order, templates.value)
  const started = await startAll(machine, order, plan.value, templates.value, work)
  return started.ok ? checkNewest(machine, order, order.generation) : started
}

async function watch(machine: Machine, order: ReleaseOrder, work: Work): Promise<Outcome<Verdict>> {
  const plan = readObjects(order.objects, order.secrets)
  if (!plan.ok) return plan
  const startMs = performance.now()
  const verdict = await awaitReady(machine, order, plan.value, order.generation, work)
  if (!verdict.ok || !verdict.value.healthy || !isLast(order)) return verdict
  const leftMs = work.deadlineMs - (performance.now() - startMs)
  const switched = await switchTo(machine, order, plan.value, Math.max(1_000, Math.min(drainMs, leftMs)), work)
  return switched.ok ? verdict : switched
}

/** Makes the order's containers the ones that serve, and lets the others end what they are answering. */
async function switchTo(
  { state, proxy }: Machine,
  order: ReleaseOrder,
  plan: Plan,
  longestDrainMs: number,
  { signal, say }: Work,
): Promise<Outcome<void>> {
  const live = await state.change((record) => {
    const environment = record.environments[keyOf(order)]
    if (environment && environment.generation > order.generation) return environment.generation
    const { generation, runId } = order
    record.environments[keyOf(order)] = { ...environment, generation, runId, serving: generation }
    putServices(record, order, plan)
    return order.generation
  })
  if (live > order.generation) return refuse('stale_generation', { generation: order.generation, live })
  const isLed = await proxy.handOver(order, longestDrainMs, signal)
  const address = proxy.address(order)
  if (isLed && address) say(`answers at ${address}`)
  else if (!isLed && plan.services.length > 0)
    say('no proxy answers on this machine, so nobody is led to it: see that one runs (npm start -- proxy)')
  return done(undefined)
}

/** Bounds a call by its deadline; an engine that is away is a reason, not a fault. */
async function guarded<T>(work: Work, slackMs: number, call: (work: Work) => Promise<Outcome<T>>): Promise<Outcome<T>> {
  try {
    return await within(work.deadlineMs + slackMs, work.signal, (signal) => call({ ...work, signal }))
  } catch (error) {
    work.signal.throwIfAborted()
    const why = engineFault(error, { midWork: false })
    if (why) return { ok: false, reason: why }
    throw error
  }
}
