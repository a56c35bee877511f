import { parseRepositoryId, type RunId } from '@taxiway/domain/ids.ts'
import { done, refuse } from '@taxiway/domain/reason.ts'
import { isRollOut } from '@taxiway/domain/run/origin.ts'
import { rollOutRun } from '@taxiway/domain/run/roll-out.ts'
import { isTerminal, type NewRun, newRun, type Run, type RunState, runStates } from '@taxiway/domain/run/run.ts'
import { RunView } from '@taxiway/domain/run/view.ts'
import Type from 'typebox'
import type { Api, ApiDeps } from '../api.ts'
import { cancelRun } from '../cancel-run.ts'
import { sendOutcome } from '../errors.ts'
import { findRun } from '../find.ts'
import { viewRun } from '../links.ts'
import { startRun } from '../start-run.ts'

const Params = Type.Object({ id: Type.String() })
const Query = Type.Object({
  repo: Type.Optional(Type.String({ description: 'Id or owner/name.' })),
  branch: Type.Optional(Type.String()),
  sha: Type.Optional(Type.String()),
  state: Type.Optional(Type.Unsafe<RunState>(Type.Enum([...runStates]))),
  limit: Type.Optional(Type.Integer({ minimum: 1, maximum: 100, default: 30 })),
  after: Type.Optional(Type.String({ pattern: '^[0-9]{1,15}$', description: 'The `next` of the page before.' })),
})

/** List and read runs, cancel and re-run. */
export function runRoutes(app: Api, deps: ApiDeps): void {
  readRoutes(app, deps)
  cancelRoute(app, deps)
  rerunRoute(app, deps)
}

function readRoutes(app: Api, { store, url }: ApiDeps): void {
  const repositoryOf = async (text: string) =>
    parseRepositoryId(text) ?? (await store.repositories.named('github', text))[0]

  app.get(
    '/runs',
    {
      config: { scope: 'read' },
      schema: {
        querystring: Query,
        response: { 200: Type.Object({ items: Type.Array(RunView), next: Type.Optional(Type.String()) }) },
        tags: ['runs'],
        summary: 'List runs, newest first',
      },
    },
    async (request, reply) => {
      const { repo, branch, sha, state, limit = 30, after } = request.query
      const repository = repo ? await repositoryOf(repo) : undefined
      if (repo && !repository) return reply.send({ items: [] })
      const page = await store.runs.list({
        repo: repository,
        branch,
        sha,
        state,
        limit,
        before: after ? Number(after) : undefined,
      })
      return reply.send({
        items: page.runs.map((run) => viewRun(url, run)),
        ...(page.next === undefined ? {} : { next: String(page.next) }),
      })
    },
  )

  app.get(
    '/runs/:id',
    {
      config: { scope: 'read' },
      schema: {
        params: Params,
        response: { 200: RunView },
        tags: ['runs'],
        summary: 'Read a run with its whole timeline',
      },
    },
    async (request, reply) => {
      const found = await findRun(store, request.params.id)
      if (!found.ok) return sendOutcome(reply, found)
      const waiting = await store.turns.waiting(found.value)
      return sendOutcome(reply, done({ ...viewRun(url, found.value), ...(waiting ? { waiting } : {}) }))
    },
  )
}

function cancelRoute(app: Api, { store, url }: ApiDeps): void {
  app.post(
    '/runs/:id/cancel',
    {
      config: { scope: 'write' },
      schema: { params: Params, response: { 202: RunView }, tags: ['runs'], summary: 'Cancel a run' },
    },
    async (request, reply) => {
      const found = await findRun(store, request.params.id)
      if (!found.ok) return sendOutcome(reply, found)
      const who = request.caller?.name ?? 'somebody'
      const moved = await cancelRun(store, found.value.id, who)
      return sendOutcome(reply, moved.ok ? done(viewRun(url, moved.value)) : moved, 202)
    },
  )
}

/** What a run that is run again keeps, above all whether its code is trusted. */
const whatItWas = ({ defaultBranch, tag, pullRequest, trusted, inputs, changed, before }: Run): Partial<NewRun> => ({
  ...(defaultBranch ? { defaultBranch } : {}),
  ...(tag === undefined ? {} : { tag }),
  ...(pullRequest ? { pullRequest } : {}),
  ...(trusted === undefined ? {} : { trusted }),
  ...(inputs ? { inputs } : {}),
  ...(changed ? { changed } : {}),
  ...(before ? { before } : {}),
})

/** The same once more: what only gave an environment what an earlier run made does that again. */
function again(id: RunId, run: Run, who: string, now: string): NewRun {
  const { repo, repository, event, sha, branch, message, author, asked, stages } = run
  const environment = stages.find((stage) => stage.environment !== undefined)?.environment
  if (asked && environment !== undefined && isRollOut(event))
    return rollOutRun(id, run, { event, environment, asked: { ...asked, who } }, now)
  return newRun({ id, repo, repository, event: 'rerun', sha, branch, message, author, ...whatItWas(run) }, now)
}

function rerunRoute(app: Api, deps: ApiDeps): void {
  const { store, url } = deps
  app.post(
    '/runs/:id/rerun',
    {
      config: { scope: 'write' },
      schema: {
        params: Params,
        response: { 201: RunView },
        tags: ['runs'],
        summary: 'Run the same commit again, as a new run',
      },
    },
    async (request, reply) => {
      const found = await findRun(store, request.params.id)
      if (!found.ok) return sendOutcome(reply, found)
      if (!isTerminal(found.value.state)) return sendOutcome(reply, refuse('run_not_finished'))
      const who = request.caller?.name ?? 'somebody'
      const started = await startRun(deps, (id, now) => again(id, found.value, who, now))
      return sendOutcome(reply, started.ok ? done(viewRun(url, started.value)) : started, 201)
    },
  )
}
