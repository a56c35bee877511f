import { isOwnLine } from '@taxiway/docker/container/script.ts'
import type { JobEnd, ReleaseJob, ReleaseOrder, RenderedObject } from '@taxiway/domain/environment/release.ts'
import type { Target } from '@taxiway/domain/environment/target.ts'
import type { Work } from '@taxiway/domain/environment/work.ts'
import { done, lastWords, type Outcome, oneLine, reason } from '@taxiway/domain/reason.ts'
import type { JobTurn, RunJob } from '@taxiway/domain/run/parts.ts'
import type { StageContext } from '@taxiway/worker/stage.ts'
import { type RenderContext, render } from '../order/render.ts'

/** Jobs with digests put in. */
export function renderJobs(jobs: readonly ReleaseJob[], context: RenderContext): Outcome<ReleaseJob[]> {
  const rendered: ReleaseJob[] = []
  for (const job of jobs) {
    const one = render([job.object], context)
    if (!one.ok) return one
    rendered.push({ ...job, object: one.value.objects[0] as RenderedObject })
  }
  return done(rendered)
}

/** What jobs run with. */
export interface JobsDeps {
  stage: StageContext
  target: Target
  order: ReleaseOrder
  jobs: ReleaseJob[]
  work(deadlineMs: number, signal?: AbortSignal): Work
}
/** Beyond a job's own time: to be scheduled, to have its image pulled, to end. */
const slackMs = 2 * 60_000
const endMs = 60_000
const lastLines = 20

/**
 * Runs the jobs that have this turn, one after another, until one fails. What this run has on record as ended is not run again;
 * what an earlier attempt of it began is waited for.
 */
export async function runJobs(deps: JobsDeps, when: JobTurn): Promise<Outcome<void>> {
  for (const job of deps.jobs.filter((one) => one.when === when)) {
    const { environment } = deps.order
    const known = deps.stage.run.jobs?.find(
      (one) => one.environment === environment && one.when === when && one.name === job.name,
    )
    const ended = known && known.state !== 'running' ? again(deps, known) : await runJob(deps, job)
    if (ended.ok && !job.keeps?.some((state) => state === ended.value.state)) await remove(deps, job)
    if (!ended.ok || ended.value.state === 'passed') {
      if (!ended.ok) return ended
      continue
    }
    return {
      ok: false,
      reason: ended.value.reason ?? reason('job_failed', { job: job.name, when, detail: 'see its log' }),
    }
  }
  return done(undefined)
}

function again({ stage }: JobsDeps, known: RunJob): Outcome<RunJob> {
  stage.log.say(`job ${known.name} has run: ${known.state}`)
  return done(known)
}

async function runJob(deps: JobsDeps, job: ReleaseJob): Promise<Outcome<RunJob>> {
  const { stage, target, order, work } = deps
  const told = { environment: order.environment, when: job.when, name: job.name }
  stage.log.say(`job ${job.name} (${job.when}) begins`)
  await stage.record({ type: 'job_changed', job: { ...told, state: 'running' } })
  const part = stage.log.part(`${job.name} | `)
  const beganMs = performance.now()
  let ended: Outcome<JobEnd>
  try {
    ended = await target.runJob(order, job, work(job.timeoutMs + slackMs), (chunk) => part.write(chunk))
  } catch (error) {
    // Whoever goes on with this run waits for it; nobody else may find it at work.
    if (isOver(work(0).signal)) await remove(deps, job).catch(() => undefined)
    throw error
  } finally {
    await part.end()
  }
  if (!ended.ok) return ended
  const durationMs = Math.round(performance.now() - beganMs)
  const run: RunJob = ended.value.passed
    ? { ...told, state: 'passed', durationMs }
    : { ...told, state: 'failed', durationMs, reason: why(job, ended.value.detail, part.lastLines(lastLines)) }
  stage.log.say(`job ${job.name} ${run.state} after ${(durationMs / 1000).toFixed(1)} s`)
  await stage.record({ type: 'job_changed', job: run })
  return done(run)
}

/** A job shows each command before it runs: where that is the last line, the command printed nothing. */
function why({ name, when }: ReleaseJob, detail: string, lines: string[]) {
  const last = lastWords(lines, 500)
  const isSilent = isOwnLine(last) && !last.startsWith('$ exit')
  const words = isSilent
    ? `${last.slice(2)}, which printed nothing`
    : lastWords(
        lines.filter((line) => !isOwnLine(line)),
        500,
      )
  return reason('job_failed', { job: name, when, detail: oneLine(words ? `${detail}: ${words}` : detail, 500) })
}

/** Given up for good, not only by this process? */
const isOver = ({ aborted, reason: why }: AbortSignal): boolean => aborted && why !== 'drained' && why !== 'fenced'

async function remove({ stage, target, order, work }: JobsDeps, job: ReleaseJob): Promise<void> {
  const removed = await target.endJob(order, job, work(endMs, AbortSignal.timeout(endMs)))
  if (!removed.ok) stage.log.say(`job ${job.name} could not be removed: ${removed.reason.message}`)
}
