import { once } from 'node:events'
import { createServer, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import type { StatusPost } from '@taxiway/git-host/git-host.ts'
import { expect, onTestFinished, test } from 'vitest'
import type { Fault } from '../git-host/faults.ts'
import type { GitHostDriver, Scene } from './git-host-driver.ts'

/** Statuses: each in the host's words, and every way in which one is not taken. */
export function statuses({ host, words }: GitHostDriver, scene: Scene): void {
  const post = (
    sha: string,
    more: Partial<StatusPost> = {},
    account: { apiUrl?: string; token?: string } = {},
    ms = 10_000,
  ) =>
    host.postStatus(
      { apiUrl: scene.host.apiUrl, token: scene.token, ...account },
      {
        repository: scene.name,
        sha,
        context: 'taxiway/build',
        state: 'success',
        description: 'Built',
        targetUrl: 'http://127.0.0.1/runs/1',
        ...more,
      },
      { signal: AbortSignal.timeout(ms) },
    )

  test('every state arrives in the words of the host, with its context, sentence and link', async () => {
    const sha = await scene.push('Add a')
    for (const [state, word] of Object.entries(words) as [StatusPost['state'], string][]) {
      const targetUrl = `http://127.0.0.1/runs/${state}`
      expect(await post(sha, { state, context: `taxiway/${state}`, description: `It is ${state}`, targetUrl })).toEqual(
        { kind: 'posted' },
      )
      expect(scene.host.latest(scene.name, sha)[`taxiway/${state}`]).toMatchObject({
        state: word,
        description: `It is ${state}`,
        target_url: targetUrl,
      })
    }
    expect(await post(sha, { context: 'taxiway/pending', state: 'success' })).toEqual({ kind: 'posted' })
    expect(scene.host.latest(scene.name, sha)['taxiway/pending']?.state).toBe(words.success)
  })

  test('a sentence of 140 characters arrives whole, whatever they are', async () => {
    const sha = await scene.push('Add a')
    for (const description of ['x'.repeat(140), '✈'.repeat(140), '<b>@all</b> *x* '.padEnd(140, '!')]) {
      expect(await post(sha, { description })).toEqual({ kind: 'posted' })
      expect(scene.host.latest(scene.name, sha)['taxiway/build']?.description).toBe(description)
    }
  })

  test('what the host will never take is refused, with its words; a token that it does not know is told apart', async () => {
    const sha = await scene.push('Add a')
    expect(await post(sha, { description: 'x'.repeat(141) })).toMatchObject({ kind: 'refused', httpStatus: 422 })
    expect(await post('f'.repeat(40))).toMatchObject({ kind: 'refused', httpStatus: 422 })
    expect(await post(sha, { repository: 'shop/nowhere' })).toMatchObject({ kind: 'refused', httpStatus: 404 })
    expect(await post(sha, {}, { token: 'another-token' })).toEqual({ kind: 'unauthorized' })
    expect(await post(sha, {}, { token: 'no\ntoken' })).toEqual({ kind: 'unauthorized' })
    expect(scene.host.latest(scene.name, sha)).toEqual({})
  })

  const outcomes: [Fault, object][] = [
    [{ mode: '401' }, { kind: 'unauthorized' }],
    [{ mode: '404' }, { kind: 'refused', httpStatus: 404 }],
    [{ mode: '422' }, { kind: 'refused', httpStatus: 422 }],
    [
      { mode: '429', retryAfterS: 7 },
      { kind: 'retry', afterMs: 7000 },
    ],
    [{ mode: '500' }, { kind: 'retry' }],
    [{ mode: 'slow', delayMs: 300 }, { kind: 'posted' }],
    [{ mode: 'silent' }, { kind: 'retry', detail: 'no answer in time' }],
  ]
  test.each(outcomes)('a host that is in %j', async (fault, outcome) => {
    const sha = await scene.push('Add a')
    scene.host.setFault({ ...fault, only: 'api' })
    const result = await post(sha, {}, {}, fault.mode === 'silent' ? 300 : 10_000)
    expect(result).toMatchObject(outcome)
    expect(JSON.stringify(result)).not.toContain(scene.token)
    expect(Object.keys(scene.host.latest(scene.name, sha))).toHaveLength(result.kind === 'posted' ? 1 : 0)
  })

  test('a host that is gone is tried again', async () => {
    const { port, close } = await listen(() => {})
    close()
    expect(await post('a'.repeat(40), {}, { apiUrl: `http://127.0.0.1:${port}/api` })).toMatchObject({ kind: 'retry' })
  })

  test.each([301, 302, 307, 308])(
    'a redirect to a stranger (%i) is refused, and the stranger hears nothing',
    async (status) => {
      const stranger = await listen((response) => response.end('{}'))
      const host = await listen((response) =>
        response.writeHead(status, { location: `http://127.0.0.1:${stranger.port}/` }).end(),
      )
      expect(await post('a'.repeat(40), {}, { apiUrl: `http://127.0.0.1:${host.port}/api` })).toMatchObject({
        kind: 'refused',
        httpStatus: status,
        detail: expect.stringMatching(/redirects/),
      })
      expect([host.heard, stranger.heard]).toEqual([[`Bearer ${scene.token}`], []])
    },
  )
}

/** What is asked of the host: pull requests and commits. */
export function questions({ host }: GitHostDriver, scene: Scene): void {
  const options = () => ({ signal: AbortSignal.timeout(10_000) })
  const account = (more = {}) => ({ apiUrl: scene.host.apiUrl, token: scene.token, ...more })
  const codeOf = (outcome: { ok: boolean; reason?: { code: string } }) => (outcome.ok ? 'ok' : outcome.reason?.code)

  test('a pull request is open or closed; what can not be asked is neither', async () => {
    const sha = await scene.push('Change', 'change')
    await scene.host.pullRequest(scene.name, { number: 12, sha, branch: 'change', action: 'opened' })
    const ask = (number = 12, more = {}) => host.isPullRequestOpen(account(more), scene.name, number, options())
    expect(await ask()).toEqual({ ok: true, value: true })
    scene.host.setFault({ mode: '500', only: 'api' })
    expect(codeOf(await ask())).toBe('git_unavailable')
    scene.host.setFault({ mode: 'ok' })
    expect(codeOf(await ask(13))).toBe('ref_not_found')
    expect(codeOf(await ask(12, { token: 'another-token' }))).toBe('git_auth_failed')
    const stranger = await listen((response) => response.end(JSON.stringify({ number: 12, state: 'closed' })))
    const away = await listen((response) =>
      response.writeHead(302, { location: `http://127.0.0.1:${stranger.port}/` }).end(),
    )
    expect(codeOf(await ask(12, { apiUrl: `http://127.0.0.1:${away.port}/api` }))).toBe('git_unavailable')
    expect(stranger.heard).toEqual([])
    scene.host.closePullRequest(scene.name, 12)
    expect(await ask()).toEqual({ ok: true, value: false })
  })

  test('a commit is found by branch, by name, or as the newest of the default branch', async () => {
    const first = await scene.push('Add a')
    const second = await scene.push('More', 'feature/x')
    const find = (wanted: { branch?: string; sha?: string }, more = {}) =>
      host.findCommit(account(more), scene.name, wanted, options())
    const about = { defaultBranch: 'main', author: 'Taxiway Sample' }
    expect(await find({})).toEqual({ ok: true, value: { ...about, sha: first, branch: 'main', message: 'Add a' } })
    expect(await find({ branch: 'feature/x' })).toMatchObject({
      value: { sha: second, branch: 'feature/x', message: 'More' },
    })
    expect(await find({ sha: first })).toMatchObject({ value: { sha: first, message: 'Add a' } })
    expect(codeOf(await find({ branch: 'nowhere' }))).toBe('ref_not_found')
    expect(codeOf(await find({ branch: '../x' }))).toBe('ref_invalid')
    expect(codeOf(await find({ sha: 'f'.repeat(40) }))).toBe('ref_not_found')
    expect(codeOf(await find({}, { token: 'another-token' }))).toBe('git_auth_failed')
    scene.host.setFault({ mode: '500', only: 'api' })
    expect(codeOf(await find({}))).toBe('git_unavailable')
  })
}

/** A server for one test, which keeps what it was told of a token. */
async function listen(answer: (response: ServerResponse) => unknown) {
  const heard: (string | undefined)[] = []
  const server = createServer((request, response) => {
    heard.push(request.headers.authorization)
    request.resume()
    answer(response)
  }).listen(0, '127.0.0.1')
  await once(server, 'listening')
  const close = () => {
    server.closeAllConnections()
    server.close()
  }
  onTestFinished(close)
  return { port: (server.address() as AddressInfo).port, heard, close }
}
