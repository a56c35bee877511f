import { newId, parseRepositoryId, parseSha, type RunId } from '@taxiway/domain/ids.ts'
import { done, type Outcome, refuse } from '@taxiway/domain/reason.ts'
import { newRun, type Run } from '@taxiway/domain/run/run.ts'
import { RunView } from '@taxiway/domain/run/view.ts'
import type { FoundCommit } from '@taxiway/git-host/git-host.ts'
import { hosts } from '@taxiway/git-host/hosts.ts'
import { dispatch } from '@taxiway/store/runs/dispatch.ts'
import type { Store } from '@taxiway/store/store.ts'
import Type from 'typebox'
import type { Api, ApiDeps } from '../api.ts'
import { sendOutcome } from '../errors.ts'
import { viewRun } from '../links.ts'

/** Longest wait for the git host. */
const askMs = 8000
const Params = Type.Object({ id: Type.String() })
const Body = Type.Object(
  {
    branch: Type.Optional(Type.String({ minLength: 1, maxLength: 255 })),
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

/** Starts a run by hand: of a branch, a commit, or without either of the default branch. */
export function startRunRoute(app: Api, { store, url, logger }: ApiDeps): void {
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
      const started = await start(store, request.params.id, request.body, request.caller?.name ?? 'somebody')
      if (!started.ok) return sendOutcome(reply, started)
      const run = started.value
      await dispatch(store.queue, run).catch((error) => logger.warn({ err: error, run: run.id }, 'job not added yet'))
      return reply.code(201).send(viewRun(url, run))
    },
  )
}

async function start(store: Store, repo: string, body: Body, who: string): Promise<Outcome<Run>> {
  const known = parseRepositoryId(repo)
  const repository = known && (await store.repositories.read(known))
  if (!repository) return refuse('not_found', { what: 'repository' })
  if (body.branch !== undefined && body.sha !== undefined)
    return refuse('input_invalid', { detail: 'give a branch or a sha, not both' })
  if (body.sha !== undefined && !parseSha(body.sha)) return refuse('sha_invalid')
  const account = { apiUrl: repository.apiUrl, token: await store.repositories.token(repository.id) }
  const signal = AbortSignal.timeout(askMs)
  const found = await hosts[repository.host].findCommit(account, repository.name, body, { signal })
  if (!found.ok) return found
  const run = manualRun(store, repository, found.value, body, who)
  const accepted = await store.runs.accept(run, { id: `manual-${run.id}`, headers: {}, body: Buffer.alloc(0) })
  return accepted.kind === 'accepted' ? done(accepted.run) : refuse('not_found', { what: 'repository' })
}

function manualRun(
  store: Store,
  { id, name }: { id: Run['repo']; name: string },
  { sha, branch = '', defaultBranch, message, author }: FoundCommit,
  { inputs = {} }: Body,
  who: string,
) {
  return newRun(
    {
      id: newId<RunId>('run', store.random),
      repo: id,
      repository: name,
      event: 'manual',
      sha,
      branch,
      defaultBranch,
      inputs,
      message,
      author: author || who,
    },
    store.now().toISOString(),
  )
}
