import { EnvironmentName, FileEnvironmentName } from '@taxiway/domain/environment/environment.ts'
import type { RunId } from '@taxiway/domain/ids.ts'
import { done, type Outcome, refuse } from '@taxiway/domain/reason.ts'
import type { RollOutEvent } from '@taxiway/domain/run/cause.ts'
import { checkSource, chooseRollback, rollOutRun } from '@taxiway/domain/run/roll-out.ts'
import type { Run } from '@taxiway/domain/run/run.ts'
import { RunView } from '@taxiway/domain/run/view.ts'
import type { Store } from '@taxiway/store/store.ts'
import type { FastifyReply } from 'fastify'
import Type from 'typebox'
import type { Api, ApiDeps } from '../../api.ts'
import { sendOutcome } from '../../errors.ts'
import { findEnvironment, findRepository, findRun } from '../../find.ts'
import { viewRun } from '../../links.ts'
import { startRun, startRunOnce } from '../../start-run.ts'

const Params = Type.Object({ id: Type.String(), name: EnvironmentName })
const strict = { additionalProperties: false } as const

/** What a new run is made from: an earlier one, and what is wanted of it. */
interface Wanted {
  source: Run
  event: RollOutEvent
  environment: string
  asked: Omit<NonNullable<Run['asked']>, 'who'>
  /** The same wish twice begins one run. */
  wish?: string
}

/** One call, one new run that builds nothing: an environment is given what an earlier run made. */
export function rollOutRoutes(app: Api, deps: ApiDeps): void {
  const { store } = deps
  const describe = (summary: string) => ({ response: { 200: RunView, 201: RunView }, tags: ['environments'], summary })
  app.post(
    '/repos/:id/environments/:name/promote',
    {
      config: { scope: 'write' },
      schema: {
        params: Params,
        body: Type.Object({ to: EnvironmentName }, strict),
        ...describe('Give what is live here to another environment: the same images, nothing is built'),
      },
    },
    async ({ params: { id, name }, body: { to }, caller }, reply) =>
      begin(deps, reply, caller, await promotion(store, id, name, to)),
  )
  app.post(
    '/repos/:id/environments/:name/deploy',
    {
      config: { scope: 'write' },
      schema: {
        params: Params,
        body: Type.Object({ runId: Type.String({ description: 'Any run that published its images.' }) }, strict),
        ...describe('Deploy what an earlier run published'),
      },
    },
    async ({ params: { id, name }, body: { runId }, caller }, reply) =>
      begin(deps, reply, caller, await deployOf(store, id, name, runId)),
  )
  app.post(
    '/repos/:id/environments/:name/adopt',
    {
      config: { scope: 'admin' },
      schema: {
        params: Type.Object({ id: Type.String(), name: FileEnvironmentName }),
        body: Type.Object({ runId: Type.String({ description: 'A run whose diff shows what changes.' }) }, strict),
        ...describe(
          'Deploy what an earlier run published, and take over what others made under the names of its objects',
        ),
      },
    },
    async ({ params: { id, name }, body: { runId }, caller }, reply) =>
      begin(deps, reply, caller, await adoption(deps, id, name, runId)),
  )
  app.post(
    '/repos/:id/environments/:name/rollback',
    {
      config: { scope: 'write' },
      schema: {
        params: Params,
        body: Type.Object(
          {
            generation: Type.Optional(
              Type.Integer({
                minimum: 0,
                description:
                  'Default: the last healthy release of another commit, those left out that were down when the next began.',
              }),
            ),
            hold: Type.Optional(
              Type.Boolean({
                description:
                  'Put a hold on the environment as well, so that the next push does not deploy again what was left.',
              }),
            ),
          },
          strict,
        ),
        ...describe(
          'Give the environment an earlier release again, with all its objects as they were. The same call twice goes back once (200 with the run that is on its way)',
        ),
      },
    },
    async ({ params: { id, name }, body: { generation, hold }, caller }, reply) => {
      const wanted = await rollback(store, id, name, generation)
      if (wanted.ok && hold)
        await store.environments.putHold(
          wanted.value.source.repo,
          name,
          `rolled back to release ${wanted.value.asked.generation} by ${caller?.name ?? 'somebody'}, who wants to stay there`,
        )
      return begin(deps, reply, caller, wanted)
    },
  )
}

async function promotion(store: Store, id: string, environment: string, to: string): Promise<Outcome<Wanted>> {
  const repo = await findEnvironment(store, id, environment)
  if (!repo.ok) return repo
  const live = await store.releases.liveListed(repo.value.id, environment)
  if (!live) return refuse('nothing_live', { environment })
  if (!live.order && live.reason) return { ok: false, reason: live.reason }
  const { runId, generation } = live
  const source = await findRun(store, runId, repo.value.id)
  if (!source.ok) return source
  const allowed = await mayReceive(store, source.value, to)
  if (!allowed.ok) return allowed
  const asked = { runId, number: source.value.number, environment, generation }
  return done({ source: source.value, event: 'promote', environment: to, asked })
}

async function deployOf(store: Store, id: string, environment: string, runId: string): Promise<Outcome<Wanted>> {
  const repo = await findRepository(store, id)
  if (!repo.ok) return repo
  const source = await findRun(store, runId, repo.value.id)
  if (!source.ok) return source
  const allowed = await mayReceive(store, source.value, environment)
  if (!allowed.ok) return allowed
  const asked = { runId: source.value.id, number: source.value.number }
  return done({ source: source.value, event: 'deploy', environment, asked })
}

/** Pods that run go on as they are, so Taxiway fills in nothing of its own from then on; unless an admin ruled otherwise. */
async function adoption(
  { store, logger }: ApiDeps,
  id: string,
  environment: string,
  runId: string,
): Promise<Outcome<Wanted>> {
  const wanted = await deployOf(store, id, environment, runId)
  if (!wanted.ok) return wanted
  const { source, asked } = wanted.value
  const rules = await store.environments.rules(source.repo, environment)
  await store.environments.setRules(source.repo, environment, { pods: 'as_written', ...rules })
  logger.info({ repo: source.repo, environment, run: source.id }, 'adoption asked for')
  return done({ ...wanted.value, asked: { ...asked, adopt: true } })
}

async function rollback(
  store: Store,
  id: string,
  environment: string,
  wanted: number | undefined,
): Promise<Outcome<Wanted>> {
  const repo = await findEnvironment(store, id, environment)
  if (!repo.ok) return repo
  const [releases, live] = await Promise.all([
    store.releases.list(repo.value.id, environment),
    store.releases.liveListed(repo.value.id, environment),
  ])
  const chosen = chooseRollback(releases, environment, live, wanted)
  if (!chosen.ok) return chosen
  const { runId, generation, order, reason } = chosen.value
  if (!order && reason) return { ok: false, reason }
  const source = await findRun(store, runId, repo.value.id)
  if (!source.ok) return source
  const asked = { runId, number: source.value.number, generation }
  const wish = `rollback-${environment}-${live?.generation ?? 0}-${generation}`
  return done({ source: source.value, event: 'rollback', environment, asked, wish })
}

/** Its code is trusted and published, its pipeline has the environment, and it was live where that one comes after. */
async function mayReceive(store: Store, source: Run, environment: string): Promise<Outcome<void>> {
  const allowed = checkSource(source, environment)
  if (!allowed.ok) return allowed
  if (await store.retention.isUnpublished(source.id)) return refuse('run_not_published', { number: source.number })
  const after = source.plan?.environments.find(({ name }) => name === environment)?.after
  // An environment that its own push does not go to comes before nothing.
  if (!after || !source.plan?.environments.some(({ name }) => name === after)) return done(undefined)
  const releases = await store.releases.list(source.repo, after)
  const references = source.images.map(({ reference }) => reference)
  const wasLive = releases.some(({ sha, state, order }) => {
    const digests = order?.digests ?? ['']
    return state === 'live' && sha === source.sha && digests.every((digest) => references.includes(digest))
  })
  return wasLive ? done(undefined) : refuse('after_not_live', { environment, after })
}

/** Starts the run that is wanted, and answers it. */
async function begin(
  deps: ApiDeps,
  reply: FastifyReply,
  caller: { name: string } | undefined,
  wanted: Outcome<Wanted>,
): Promise<FastifyReply> {
  if (!wanted.ok) return sendOutcome(reply, wanted)
  const { source, wish, ...order } = wanted.value
  const asked = { who: caller?.name ?? 'somebody', ...order.asked }
  const make = (id: RunId, now: string) => rollOutRun(id, source, { ...order, asked }, now)
  if (wish === undefined) {
    const started = await startRun(deps, make)
    return sendOutcome(reply, started.ok ? done(viewRun(deps.url, started.value)) : started, 201)
  }
  const started = await startRunOnce(deps, wish, make)
  if (!started.ok) return sendOutcome(reply, started)
  const { run, isNew } = started.value
  return sendOutcome(reply, done(viewRun(deps.url, run)), isNew ? 201 : 200)
}
