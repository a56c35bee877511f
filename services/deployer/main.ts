import type { Config } from '@taxiway/chassis/config.ts'
import type { Part } from '@taxiway/chassis/lifecycle.ts'
import type { Logger } from '@taxiway/chassis/logger.ts'
import { startReconciler } from '@taxiway/chassis/reconciler.ts'
import { connectEngine } from '@taxiway/docker/engine/engine.ts'
import { newId } from '@taxiway/domain/ids.ts'
import { makeClusterAccesses } from '@taxiway/store/access/cluster-access.ts'
import { patientPart, patientStore } from '@taxiway/store/patient.ts'
import { deployQueue, work } from '@taxiway/store/runs/queue.ts'
import type { Store } from '@taxiway/store/store.ts'
import { type Attempt, drain } from '@taxiway/worker/attempts.ts'
import { makeRedispatch } from '@taxiway/worker/redispatch.ts'
import { makeCheckClusters } from './check-clusters.ts'
import { deployRun } from './deploy-run.ts'
import { makeFulfil } from './live/fulfil-changes.ts'
import { watchEnvironments } from './live/watch-environments.ts'
import { sweepPreviews } from './preview/sweep.ts'
import { makeTargets } from './target/open.ts'
import { makeGatekeeper } from './turn/gates.ts'

const redispatchMs = 2000
const checkClustersMs = 500
/** How often clusters are asked whether they answer, and how long they have for it. */
const troublesMs = 15_000
const answerMs = 5_000
/** How late a gate opens that nobody's call opens. */
const gatesMs = 2000
/** How often changes by hand are looked for. */
const changesMs = 1000
/** Roll-outs mostly wait, so that many go side by side. */
const concurrency = 20

/** Starts the deployer role. */
export async function startDeployer({
  config,
  store,
  logger,
}: {
  config: Config
  store: Store
  logger: Logger
}): Promise<Part> {
  const accesses = makeClusterAccesses(store.redis, config.secretKey)
  const connect = async () => connectEngine(config)
  const targets = makeTargets({ config, store: patientStore(store), accesses: patientPart(accesses), connect })
  const active = new Set<Attempt>()
  const deps = { config, store, logger, targets, active }
  const redispatch = startReconciler(
    makeRedispatch(store.runs, store.queue, () => performance.now()),
    { name: 'redispatch', everyMs: redispatchMs, logger },
  )
  const own = { id: newId('deployer', store.random), serves: config.serves }
  let troubles: string[] = []
  const asking = startReconciler(
    async (signal) => {
      troubles = await targets.troubles({ deadlineMs: answerMs, signal, say: () => undefined })
    },
    { name: 'targets', everyMs: troublesMs, logger },
  )
  const checks = startReconciler(makeCheckClusters({ accesses, serves: config.serves, now: store.now, logger }), {
    name: 'check-clusters',
    everyMs: checkClustersMs,
    logger,
  })
  const gates = startReconciler(makeGatekeeper(store), { name: 'gates', everyMs: gatesMs, logger })
  const changes = startReconciler(makeFulfil(deps), { name: 'changes', everyMs: changesMs, logger })
  const watching = watchEnvironments(deps, own)
  const previews = sweepPreviews(deps)
  const queues = config.serves.length > 0 ? config.serves : ['all']
  const workers = ['deploy', ...queues.map(deployQueue)].map((queue) =>
    work(config.redisUrl, queue, concurrency, (job) => deployRun(deps, job.runId)),
  )
  return {
    name: 'deployer',
    readiness: () => ({
      notes: [...(own.serves.length > 0 ? [`This deployer serves ${own.serves.join(', ')}.`] : []), ...troubles],
    }),
    async stop() {
      const closed = { close: () => Promise.all(workers.map((worker) => worker.close())).then(() => undefined) }
      await drain(closed, active, config.drainMs)
      const loops = [asking, redispatch, checks, gates, changes, watching, previews]
      await Promise.all(loops.map((loop) => loop.stop()))
    },
  }
}
