import { once } from 'node:events'
import { mkdir } from 'node:fs/promises'
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { resolve } from 'node:path'
import { serveGit } from './backend.ts'
import { startDeliveries } from './deliveries.ts'
import { type Fault, playFault } from './faults.ts'
import { git } from './git.ts'
import { makeHooks } from './hooks.ts'
import { type PullRequestOptions, pullRequestEvent } from './pull-request-event.ts'
import { pushEvent } from './push-event.ts'
import { makeRepository, mayEnter, numberOf, type Repository } from './repositories.ts'
import { isRest, serveRest } from './rest.ts'
import { seed } from './seed.ts'
import { makeStatuses } from './statuses.ts'

/**
 * Starts a git host on loopback: real bare repositories over smart HTTP, their large files by Git LFS, GitHub's signed `push` webhooks, GitHub's commit
 * statuses under /api/v3, and faults on demand.
 */
export async function startGitHost({ folder, port = 0, say = () => undefined }: GitHostOptions) {
  const root = resolve(folder)
  await mkdir(root, { recursive: true })
  const repositories = new Map<string, Repository>()
  const find = (fullName: string) => repositories.get(fullName.replace(/\.git$/, ''))
  const known = (fullName: string): Repository => {
    const repository = find(fullName)
    if (!repository) throw new Error(`no repository ${fullName}`)
    return repository
  }
  const statuses = makeStatuses()
  const requests: { method: string; path: string; authorization: boolean }[] = []
  const underWay = new Set<Promise<unknown>>()
  let fault: Fault = { mode: 'ok' }
  const deliveries = startDeliveries({ say, fault: () => fault })
  const hooks = makeHooks(deliveries)

  const answer = async (request: IncomingMessage, response: ServerResponse): Promise<void> => {
    const { method = 'GET', url: target = '/' } = request
    requests.push({ method, path: target, authorization: request.headers.authorization !== undefined })
    const { pathname, search } = new URL(target, 'http://host')
    const kind = isRest(pathname) ? 'api' : 'git'
    if (await playFault(fault, kind, response)) return
    if (kind === 'api') {
      const { status, body } = await serveRest(request, decodeURIComponent(pathname), { find, statuses, hooks })
      response.writeHead(status, { 'content-type': 'application/json; charset=utf-8' }).end(JSON.stringify(body))
      return
    }
    const [, fullName = '', rest = ''] = /^\/([^/]+\/[^/]+)(\/.+)$/.exec(pathname) ?? []
    const repository = find(fullName)
    if (!repository) return void response.writeHead(404).end('Not Found')
    if (!mayEnter(repository, request.headers.authorization)) {
      return void response.writeHead(401, { 'www-authenticate': 'Basic realm="git"' }).end('Authentication required')
    }
    if (rest.startsWith('/info/lfs/')) return repository.largeFiles.serve(request, response, rest)
    const changed = await serveGit(request, response, { root, repository, rest, query: search.slice(1) })
    const events = await Promise.all(changed.map((change) => pushEvent(repository, change)))
    for (const event of events) say(`push to ${repository.fullName}: ${event.ref} is ${event.after.slice(0, 7)}`)
    if (repository.webhook) await Promise.all(events.map((event) => deliveries.send(repository, 'push', event)))
  }

  const server = createServer((request, response) => {
    const task = answer(request, response).catch((error: unknown) => {
      say(`${request.method} ${request.url}: ${error}`)
      if (response.headersSent) response.destroy()
      else response.writeHead(500).end('Server Error')
    })
    underWay.add(task)
    void task.finally(() => underWay.delete(task))
  })
  server.listen(port, '127.0.0.1')
  await once(server, 'listening')
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`

  return {
    url,
    /** Every request so far, in the order they came. */
    requests,
    /** Makes a bare repository; with a token, nobody enters without it, with `files` (or a folder) it has a first commit. */
    async createRepository(fullName: string, { files, ...options }: RepositoryOptions = {}) {
      const repository = await makeRepository({ folder: root, url }, fullName, options)
      const sha = files === undefined ? undefined : await seed(repository, files)
      repositories.set(fullName, repository)
      return { cloneUrl: repository.cloneUrl, ...(sha ? { sha } : {}) }
    },
    /** The bare repository: its folder, URLs, default branch and webhook. @throws when there is none of that name */
    repository: (fullName: string): Readonly<Repository> => known(fullName),
    /** Opens or changes a pull request: its commit is under refs/pull, as GitHub keeps it, and the webhook tells of it. */
    async pullRequest(fullName: string, options: PullRequestOptions) {
      const repository = known(fullName)
      await git(repository.folder, ['update-ref', `refs/pull/${options.number}/head`, options.sha])
      const event = pullRequestEvent(repository, options)
      repository.pulls.set(options.number, event.pull_request)
      return deliveries.send(repository, 'pull_request', event)
    },
    /** Closes a pull request; nobody is told. @throws when there is none of that number */
    closePullRequest(fullName: string, number: number): void {
      const pull = known(fullName).pulls.get(number)
      if (!pull) throw new Error(`no pull request ${number}`)
      pull.state = 'closed'
    },
    setWebhook(fullName: string, { url: to, secret }: { url: string; secret: string }): void {
      known(fullName).webhook = { id: numberOf(`hook ${fullName}`), url: to, secret }
    },
    /** The statuses of a commit, oldest first. */
    statuses: statuses.list,
    /** The newest status of each context. */
    latest: statuses.latest,
    /** Every ended attempt to deliver a webhook, oldest first. */
    deliveries: () => [...deliveries.attempts],
    /** Sends the same bytes with the same id again. @throws when there is no such delivery */
    redeliver: deliveries.redeliver,
    /** From now on, until the next call. */
    setFault(next: Fault): void {
      fault = next
    },
    /** Ends every connection and delivery; the repositories stay in the folder. */
    async stop(): Promise<void> {
      const closed = once(server, 'close')
      server.close()
      server.closeAllConnections()
      deliveries.stop()
      await Promise.all([closed, ...underWay])
    },
  }
}

export interface RepositoryOptions {
  token?: string
  defaultBranch?: string
  files?: Record<string, string> | string
}

export interface GitHostOptions {
  /** Where the bare repositories live. */
  folder: string
  /** A free one unless given. */
  port?: number
  say?: (line: string) => void
}
