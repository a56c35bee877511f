import { parseSha } from '@taxiway/domain/ids.ts'
import { done, type Outcome, refuse } from '@taxiway/domain/reason.ts'
import { newRun, type Run } from '@taxiway/domain/run/run.ts'
import { RunView } from '@taxiway/domain/run/view.ts'
import { hosts } from '@taxiway/git-host/hosts.ts'
import Type from 'typebox'
import type { Api, ApiDeps } from '../api.ts'
import { sendOutcome } from '../errors.ts'
import { findRepository } from '../find.ts'
import { viewRun } from '../links.ts'
import { startRun } from '../start-run.ts'

/** Longest wait for the git host. */
const askMs = 8000
const Params = Type.Object({ id: Type.String() })
const Body = Type.Object(
  {
    branch: Type.Optional(Type.String({ minLength: 1, maxLength: 255 })),
    tag: Type.Optional(Type.String({ minLength: 1, maxLength: 255 })),
    sha: Type.Optional(Type.String({ pattern: '^([0-9a-f]{40}|[0-9a-f]{64})$' })),
    inputs: Type.Optional(
      Type.Record(Type.String({ pattern: '^[A-Za-z_][A-Za-z0-9_]{0,99}$' }), Type.String({ maxLength: 1000 }), {
        additionalProperties: false,
        maxProperties: 20,
        description: "Values for the pipeline's on.manual.inputs.",
      }),
    ),
  },
  { additionalProperties: false },
)
type Body = Type.Static<typeof Body>

/** Starts a run by hand: of a branch, a tag, a commit, or without any of the default branch. */
export function startRunRoute(app: Api, deps: ApiDeps): void {
  app.post(
    '/repos/:id/runs',
    {
      config: { scope: 'write' },
      schema: {
        params: Params,
        body: Body,
        response: { 201: RunView },
        tags: ['runs'],
        summary: 'Start a run by hand; nothing is deployed from a commit that is given by its name alone',
      },
    },
    async (request, reply) => {
      const started = await startByHand(deps, request.params.id, request.body, request.caller?.name ?? 'somebody')
      return sendOutcome(reply, started.ok ? done(viewRun(deps.url, started.value)) : started, 201)
    },
  )
}

async function startByHand(deps: ApiDeps, id: string, body: Body, who: string): Promise<Outcome<Run>> {
  const { repositories } = deps.store
  const repository = await findRepository(deps.store, id)
  if (!repository.ok) return repository
  if ([body.branch, body.tag, body.sha].filter((one) => one !== undefined).length > 1)
    return refuse('input_invalid', { detail: 'give one of branch, tag and sha' })
  if (body.sha !== undefined && !parseSha(body.sha)) return refuse('sha_invalid')
  const { id: repo, name, apiUrl, host } = repository.value
  const account = { apiUrl, token: await repositories.token(repo) }
  const signal = AbortSignal.timeout(askMs)
  const found = await hosts[host].findCommit(account, name, body, { signal })
  if (!found.ok) return found
  const { sha, branch = '', tag, defaultBranch, message, author } = found.value
  const { inputs = {} } = body
  const what = {
    event: 'manual' as const,
    sha,
    branch,
    defaultBranch,
    inputs,
    message,
    author: author || who,
    ...(tag === undefined ? {} : { tag }),
  }
  return startRun(deps, (id, now) => newRun({ id, repo, repository: name, ...what }, now))
}
