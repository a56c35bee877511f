import type { JobEnd, OnOutput, ReleaseJob, ReleaseOrder } from '@taxiway/domain/environment/release.ts'
import type { Work } from '@taxiway/domain/environment/work.ts'
import { done, type Outcome } from '@taxiway/domain/reason.ts'
import { type JobRan, removeJobContainers, runJobContainer } from '../container/job-container.ts'
import { label } from '../engine/labels.ts'
import { createRunNetwork } from '../engine/network.ts'
import { labelsOf, networkOf, secretsOf } from './container.ts'
import { haveImage } from './image.ts'
import type { Workload } from './pod.ts'
import { checkNewest, type Machine } from './release.ts'
import { readObjects } from './workload.ts'

const jobLabels = (order: ReleaseOrder) => ({ ...labelsOf(order), [label.role]: 'job' })
const nameOf = (order: ReleaseOrder, job: ReleaseJob) => `${networkOf(order)}-job-${job.object.metadata.name}`
const pidsLimit = 512

/** Runs a job as a container on the network of its environment. */
export async function runJob(
  machine: Machine,
  order: ReleaseOrder,
  job: ReleaseJob,
  work: Work,
  onOutput: OnOutput,
): Promise<Outcome<JobEnd>> {
  const { engine } = machine
  const current = await checkNewest(machine, order, order.generation)
  if (!current.ok) return current
  await removeJobContainers(engine, jobLabels(order), ({ labels }) => labels[label.run] !== order.runId)
  const workload = readJob(order, job)
  if (!workload.ok) return workload
  const secrets = await secretsOf(workload.value, work)
  if (!secrets.ok) return secrets
  const image = await haveImage(machine, { ...workload.value, replacesEntrypoint: false }, work)
  if (!image.ok) return image
  const networked = await createRunNetwork(engine, { name: networkOf(order), labels: labelsOf(order) }, work.signal)
  if (!networked.ok) return networked
  const { env, memoryMb, cpus, command = [] } = workload.value
  const ran = await runJobContainer(engine, {
    name: nameOf(order, job),
    image: workload.value.image,
    entrypoint: command,
    env: { ...env, ...secrets.value },
    labels: { ...jobLabels(order), [label.run]: order.runId, [label.step]: job.name },
    network: networkOf(order),
    memoryMb,
    cpus,
    pids: pidsLimit,
    timeoutMs: job.timeoutMs,
    signal: work.signal,
    onOutput,
  })
  return ran.ok ? done(endOf(ran.value, job, memoryMb)) : ran
}

function readJob(order: ReleaseOrder, { object, needs = [] }: ReleaseJob): Outcome<Workload> {
  const plan = readObjects([...needs, { ...object, kind: 'Deployment' }], order.secrets)
  return plan.ok ? done(plan.value.workloads[0] as Workload) : plan
}

function endOf({ exitCode, oomKilled, timedOut }: JobRan, { timeoutMs }: ReleaseJob, memoryMb: number): JobEnd {
  if (timedOut) return { passed: false, detail: `it ran longer than ${Math.ceil(timeoutMs / 1000)} s` }
  if (oomKilled) return { passed: false, detail: `out of memory, its limit is ${memoryMb} MB` }
  return exitCode === 0 ? { passed: true } : { passed: false, detail: `exit ${exitCode}` }
}

/** Ends and removes what runs a job. */
export const endJob = ({ engine }: Machine, order: ReleaseOrder, job: ReleaseJob): Promise<void> =>
  removeJobContainers(engine, { ...jobLabels(order), [label.run]: order.runId, [label.step]: job.name })
