import { newId, parseRepositoryId, type RepositoryId, type RunId, type Sha } from '@taxiway/domain/ids.ts'
import { type Outcome, refuse } from '@taxiway/domain/reason.ts'
import type { Repository } from '@taxiway/domain/repository.ts'
import { type NewRun, newRun } from '@taxiway/domain/run/run.ts'
import { ignoredPullRequest, ignoredReason, queuedFor } from '@taxiway/domain/trigger.ts'
import type { GitHost, PullRequestDelivery, PushDelivery } from '@taxiway/git-host/git-host.ts'
import { guessRepositories, guessRepositoryIds } from '@taxiway/git-host/github.ts'
import { hosts } from '@taxiway/git-host/hosts.ts'
import { redisFault } from '@taxiway/store/redis/connection.ts'
import type { Store } from '@taxiway/store/store.ts'
import type { FastifyInstance, FastifyRequest } from 'fastify'
import type { ApiDeps } from './api.ts'
import { sendReason } from './errors.ts'
import { followRepository } from './follow-repository.ts'
import { runUrl } from './links.ts'
import { acceptRun } from './start-run.ts'

/** GitHub's own cap on a webhook body. */
const bodyLimit = 25 * 2 ** 20

export type WebhookDeps = Pick<ApiDeps, 'store' | 'url' | 'logger' | 'allowedOrigins'>
type RunDelivery = PushDelivery | PullRequestDelivery
type Answer = {
  status: 200 | 202
  body: { runId: RunId; url: string; followed?: string } | { duplicate: true; runId: RunId } | { ignored: string }
}

/** `POST /webhooks/:host` and, with the repository's own URL, `/webhooks/:host/:repository`: from a delivery to a durable run. */
export function webhookRoutes(app: FastifyInstance, deps: WebhookDeps): void {
  app.register(async (scope) => {
    // The signature is over the raw bytes, so nothing parses them before it was checked.
    scope.removeAllContentTypeParsers()
    scope.addContentTypeParser('*', { parseAs: 'buffer', bodyLimit }, (_request, body, done) => done(null, body))
    const options = { bodyLimit, config: { scope: 'public' as const }, schema: { hide: true }, helmet: false as const }
    for (const path of ['/webhooks/:host', '/webhooks/:host/:repository'])
      scope.post(path, options, async (request, reply) => {
        const answer = await receive(request, deps).catch(redisFault)
        if (!answer.ok) return sendReason(reply, answer.reason)
        return reply.code(answer.value.status).send(answer.value.body)
      })
  })
}

/** The whole intake, top to bottom: check the form, the signature, the payload, the rules; accept durably; answer. */
async function receive(request: FastifyRequest, deps: WebhookDeps): Promise<Outcome<Answer>> {
  const params = request.params as { host: string; repository?: string }
  const host = hosts[params.host as keyof typeof hosts]
  if (!host) return refuse('host_unknown', { host: params.host.slice(0, 40) })
  const form = checkForm(request)
  if (!form.ok) return form
  const raw = form.value

  // Verify before parsing, with the secret of the repository that the URL names or the bytes hint at.
  const candidates = params.repository ? [parseRepositoryId(params.repository)] : await guess(deps.store, host, raw)
  const known = await verify(deps.store, host, raw, header(request, host.headers.signature), candidates)
  if (!known) return refuse('signature_invalid')

  const deliveryId = header(request, host.headers.delivery) ?? ''
  const event = header(request, host.headers.event) ?? ''
  if (!/^[\w-]{1,100}$/.test(deliveryId)) return refuse('delivery_id_invalid')
  if (!/^\w{1,60}$/.test(event)) return refuse('body_invalid', { detail: 'the event header is missing or malformed' })
  const parsed = host.parse(event, raw)
  if (!parsed.ok) return parsed
  const delivery = parsed.value
  if (delivery.kind === 'other') return ignored(`event ${delivery.event}`)
  if (delivery.kind === 'ping') return await hearPing(deps, known, delivery)
  const found = await followRepository(deps, known, delivery)
  if (!found.ok) return found
  const { repository, followed } = found.value
  if (delivery.kind === 'repository_moved') return ignored(followed?.message ?? 'event repository')
  if (delivery.kind === 'pull_request_closed') {
    await deps.store.previews.lookSoon(repository.id, delivery.number)
    return ignored('event pull_request')
  }
  const why = whyIgnored(delivery, repository)
  if (why || !delivery.sha) return ignored(why?.message ?? 'no commit')

  const run = runOf(deps, repository, delivery, delivery.sha)
  const accepted = await acceptRun(deps, run, {
    // A merge queue's branch is told as a push and by the queue: it is one thing to check.
    id: queuedFor(run.branch) === undefined ? deliveryId : `queue-${run.sha}`,
    headers: { event, userAgent: String(request.headers['user-agent'] ?? '').slice(0, 200) },
    body: raw,
  })
  if (accepted.kind === 'repository_gone') return refuse('signature_invalid')
  if (accepted.kind === 'duplicate')
    return { ok: true, value: { status: 200, body: { duplicate: true, runId: accepted.runId } } }
  const body = { runId: run.id, url: runUrl(deps.url, run.id), ...(followed ? { followed: followed.message } : {}) }
  return { ok: true, value: { status: 202, body } }
}

/** The first delivery of a new webhook tells by what number the host knows the repository. */
async function hearPing(
  { store }: WebhookDeps,
  known: Repository,
  { repository, repositoryId }: { repository?: string; repositoryId?: number },
): Promise<Outcome<Answer>> {
  const isNews = repositoryId !== undefined && repositoryId !== known.hostId
  if (isNews && repository?.toLowerCase() === known.name.toLowerCase())
    await store.repositories.learn(known, repositoryId)
  return ignored('ping')
}

const runOf = ({ store }: WebhookDeps, repository: Repository, delivery: RunDelivery, sha: Sha): NewRun =>
  newRun(
    {
      id: newId<RunId>('run', store.random),
      repo: repository.id,
      repository: repository.name,
      sha,
      message: delivery.message,
      author: delivery.author,
      ...(delivery.defaultBranch ? { defaultBranch: delivery.defaultBranch } : {}),
      ...cause(delivery),
    },
    store.now().toISOString(),
  )

const whyIgnored = (delivery: RunDelivery, repository: Repository) =>
  delivery.kind === 'push' ? ignoredReason(delivery, repository) : ignoredPullRequest(delivery, repository)

/** What the run says of where it comes from. A tag is on no branch: what is deployed from a branch is not deployed from it. */
function cause(delivery: RunDelivery): Pick<NewRun, 'event' | 'branch'> & Partial<NewRun> {
  if (delivery.kind === 'pull_request') {
    const { number, base, fork, branch } = delivery
    return { event: 'pull_request', branch, pullRequest: { number, base, fork }, trusted: !fork }
  }
  const { branch, tagName, changed, before, forced } = delivery
  if (branch !== undefined)
    return {
      event: 'push',
      branch,
      ...(changed ? { changed } : {}),
      ...(before ? { before } : {}),
      ...(forced ? { forced } : {}),
    }
  return { event: 'tag', branch: '', ...(tagName ? { tag: tagName } : {}) }
}

const ignored = (why: string): Outcome<Answer> => ({ ok: true, value: { status: 200, body: { ignored: why } } })

function checkForm(request: FastifyRequest): Outcome<Buffer> {
  const type = request.headers['content-type'] ?? 'none'
  if (!/^application\/json(;|$)/i.test(type)) return refuse('content_type_unsupported', { type: type.slice(0, 80) })
  if ((request.headers['content-encoding'] ?? 'identity') !== 'identity') return refuse('content_encoding_unsupported')
  return { ok: true, value: Buffer.isBuffer(request.body) ? request.body : Buffer.alloc(0) }
}

/** A header that was sent once. */
function header(request: FastifyRequest, name: string): string | undefined {
  const value = request.headers[name]
  return typeof value === 'string' ? value : undefined
}

async function guess(store: Store, host: GitHost, raw: Buffer): Promise<RepositoryId[]> {
  const { repositories } = store
  const named = await Promise.all(guessRepositories(raw).map((name) => repositories.named(host.name, name)))
  const numbered = await Promise.all(guessRepositoryIds(raw).map((id) => repositories.numbered(host.name, id)))
  return [...new Set([...named.flat(), ...numbered.flat()])].slice(0, 8)
}

/** The candidate whose secret signed the bytes. An unknown repository costs one check too, with a key nobody has. */
async function verify(
  store: Store,
  host: GitHost,
  raw: Buffer,
  signature: string | undefined,
  candidates: (RepositoryId | undefined)[],
): Promise<Repository | undefined> {
  const known = await Promise.all(candidates.map((id) => (id ? store.repositories.withWebhookSecret(id) : undefined)))
  const found = known.filter((one) => one !== undefined && one.repository.host === host.name)
  if (found.length === 0) host.verify(raw, signature, [Buffer.from(store.random(32)).toString('hex')])
  return found.find((one) => one && host.verify(raw, signature, [one.webhookSecret]))?.repository
}
