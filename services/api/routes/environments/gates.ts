import { EnvironmentName, EnvironmentView } from '@taxiway/domain/environment/environment.ts'
import type { RunId } from '@taxiway/domain/ids.ts'
import { done, type Outcome } from '@taxiway/domain/reason.ts'
import type { Run } from '@taxiway/domain/run/run.ts'
import { RunView } from '@taxiway/domain/run/view.ts'
import { dispatch } from '@taxiway/store/runs/dispatch.ts'
import type { Store } from '@taxiway/store/store.ts'
import Type from 'typebox'
import type { Api, ApiDeps } from '../../api.ts'
import { sendOutcome } from '../../errors.ts'
import { findEnvironment, findRepository, findRun } from '../../find.ts'
import { viewRun } from '../../links.ts'
import { viewEnvironment } from './environments.ts'

const Params = Type.Object({ id: Type.String(), name: EnvironmentName })
const runId = Type.String({ description: 'The run that waits.' })
const Approve = Type.Object(
  { runId, approve: Type.Optional(Type.Boolean({ description: 'false rejects it. Default: true.' })) },
  { additionalProperties: false },
)
const Reject = Type.Object({ runId }, { additionalProperties: false })

/** What people decide of a release that waits before an environment. */
export function gateRoutes(app: Api, deps: ApiDeps): void {
  decisionRoutes(app, deps)
  holdRoute(app, deps)
}

interface Decision {
  repo: string
  environment: string
  runId: string
  who: string
  isApproved: boolean
}

function decisionRoutes(app: Api, deps: ApiDeps): void {
  app.post(
    '/repos/:id/environments/:name/approve',
    {
      config: { scope: 'write' },
      schema: {
        params: Params,
        body: Approve,
        response: { 200: RunView },
        tags: ['environments'],
        summary: 'Approve the release of a run that waits for it',
      },
    },
    async (request, reply) => {
      const { id: repo, name: environment } = request.params
      const { runId, approve: isApproved = true } = request.body
      const who = request.caller?.name ?? 'somebody'
      return sendOutcome(reply, await decide(deps, { repo, environment, runId, who, isApproved }))
    },
  )
  app.post(
    '/repos/:id/environments/:name/reject',
    {
      config: { scope: 'write' },
      schema: {
        params: Params,
        body: Reject,
        response: { 200: RunView },
        tags: ['environments'],
        summary: 'Reject the release of a run that waits for an approval',
      },
    },
    async (request, reply) => {
      const { id: repo, name: environment } = request.params
      const who = request.caller?.name ?? 'somebody'
      const { runId } = request.body
      return sendOutcome(reply, await decide(deps, { repo, environment, runId, who, isApproved: false }))
    },
  )
}

/** An approval that is there already is not another one: who asks twice gets the same answer. */
async function decide({ store, url, logger }: ApiDeps, decision: Decision) {
  const { environment, who, isApproved } = decision
  const repo = await findRepository(store, decision.repo)
  if (!repo.ok) return repo
  const found = await findRun(store, decision.runId, repo.value.id)
  if (!found.ok) return found
  const run = found.value
  const event = { type: isApproved ? 'approved' : 'rejected', environment, who } as const
  const decided = await store.runs.move(run.id, event)
  const moved = decided.ok || !isApproved ? decided : await approvedBefore(store, run.id, environment, decided)
  if (!moved.ok) return moved
  // The deployers look for what waits every two seconds as well.
  const later = (error: unknown) => logger.warn({ err: error, run: run.id }, 'job not added yet')
  await dispatch(store.queue, moved.value).catch(later)
  if (!isApproved) await store.logs.expire(run.id).catch(later)
  return done(viewRun(url, moved.value))
}

/** The run, if this approval was given already, else why it can't be given. */
async function approvedBefore(
  { runs }: Store,
  id: RunId,
  environment: string,
  refusal: Outcome<Run>,
): Promise<Outcome<Run>> {
  const run = await runs.read(id)
  return run?.approvals?.some((approval) => approval.environment === environment) ? done(run) : refusal
}

function holdRoute(app: Api, deps: ApiDeps): void {
  const { store, logger } = deps
  app.delete(
    '/repos/:id/environments/:name/hold',
    {
      config: { scope: 'write' },
      schema: {
        params: Params,
        response: { 200: EnvironmentView },
        tags: ['environments'],
        summary: 'Lift the hold that failed releases put on an environment',
      },
    },
    async (request, reply) => {
      const { id, name } = request.params
      const repo = await findEnvironment(store, id, name)
      if (!repo.ok) return sendOutcome(reply, repo)
      await store.environments.liftHold(repo.value.id, name)
      logger.info({ repo: repo.value.id, environment: name, who: request.caller?.name }, 'hold lifted')
      return reply.send(await viewEnvironment(deps, repo.value.id, name))
    },
  )
}
