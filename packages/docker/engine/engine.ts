import { Agent } from 'node:http'
import type { Readable } from 'node:stream'
import { setTimeout as sleep } from 'node:timers/promises'
import { type Reason, reason } from '@taxiway/domain/reason.ts'
import Docker from 'dockerode'
import type { Egress } from './egress.ts'

/** A connected Docker engine. Its calls go through `within`, so that each has a deadline. */
export interface Engine {
  docker: Docker
  /** Where it listens, for messages: unix:///var/run/docker.sock */
  where: string
  /** How networks for strangers' code are made; without it, as the engine does by itself. */
  work?: { subnet: string; egress: Egress }
  /** Which Taxiway this is, where several share the engine: none touches what another one made for its runs. */
  installation?: string
  /** What containers have between the wish that they end and the kill. */
  stopMs: number
}

/** How long a call that only asks or changes a record may take. */
export const callDeadlineMs = 30_000

/**
 * Connects lazily to an engine: `dockerHost` is in the form of DOCKER_HOST, `unix://` or `tcp://` (plain HTTP).
 * Connections are not reused, so a restarted engine is reached by the next call. Containers have 10 s to end unless told.
 */
export function connectEngine({ dockerHost, stopMs = 10_000 }: { dockerHost?: string; stopMs?: number } = {}): Engine {
  const where = dockerHost || 'unix:///var/run/docker.sock'
  const url = new URL(where)
  // The keys that stay undefined keep dockerode from filling them in from the environment.
  const options = { protocol: 'http' as const, host: undefined, port: undefined, socketPath: undefined }
  const agent = new Agent({ keepAlive: false })
  if (url.protocol === 'unix:')
    return { where, stopMs, docker: dockerode({ ...options, socketPath: url.pathname, agent }) }
  if (url.protocol !== 'tcp:' && url.protocol !== 'http:')
    throw new Error(`Docker host ${where} is not unix:// or tcp://`)
  return { where, stopMs, docker: dockerode({ ...options, host: url.hostname, port: url.port || '2375', agent }) }
}

/** Its published types know no agent, though it takes one. */
const dockerode = (options: Docker.DockerOptions & { agent: Agent }): Docker => new Docker(options)

/** Does the engine answer? */
export async function ping(engine: Engine, signal?: AbortSignal): Promise<boolean> {
  try {
    await within(5_000, signal, () => engine.docker.ping())
    return true
  } catch {
    signal?.throwIfAborted()
    return false
  }
}

/** The engine's release and API version, for messages and logs. */
export async function version(engine: Engine, signal?: AbortSignal): Promise<{ engine: string; api: string }> {
  const answer = await within(callDeadlineMs, signal, () => engine.docker.version())
  return { engine: answer.Version, api: answer.ApiVersion }
}

/**
 * Runs one call under a deadline. Rejects with the signal's reason when it is aborted, and with an error of code ETIMEDOUT
 * at the deadline, also when the call itself never settles (dockerode's do not when the engine dies within an answer).
 */
export async function within<T>(
  deadlineMs: number,
  signal: AbortSignal | undefined,
  work: (signal: AbortSignal) => Promise<T>,
): Promise<T> {
  signal?.throwIfAborted()
  const stop = new AbortController()
  const abort = () => stop.abort(signal?.reason)
  signal?.addEventListener('abort', abort, { once: true })
  const late = Object.assign(new Error(`no answer within ${deadlineMs / 1000} s`), { code: 'ETIMEDOUT' })
  const timer = setTimeout(() => stop.abort(late), deadlineMs)
  const aborted = new Promise<never>((_, reject) => {
    stop.signal.addEventListener('abort', () => reject(stop.signal.reason), { once: true })
  })
  try {
    return await Promise.race([work(stop.signal), aborted])
  } catch (error) {
    throw stop.signal.aborted ? stop.signal.reason : error
  } finally {
    clearTimeout(timer)
    signal?.removeEventListener('abort', abort)
  }
}

/** A call whose answer is read as it comes: resolves when the head of the answer is there. */
export const stream = (
  engine: Engine,
  call: { method: string; path: string; options?: object; file?: NodeJS.ReadableStream; authconfig?: object },
  abortSignal: AbortSignal,
): Promise<Readable & { complete?: boolean }> =>
  new Promise((resolve, reject) => {
    const statusCodes = { 200: true, 400: 'bad parameter', 404: 'not found', 409: 'conflict', 500: 'server error' }
    // Without options to add, docker-modem cuts off the last character of a path with a question mark.
    const path = /\?./.test(call.path) ? `${call.path}&` : call.path
    engine.docker.modem.dial({ ...call, path, isStream: true, abortSignal, statusCodes }, (error, answer) => {
      if (error) reject(error)
      else resolve(answer as unknown as Readable)
    })
  })

/** Is it the status code of the engine's answer? */
export const hasStatus = (error: unknown, ...codes: number[]): boolean =>
  codes.includes((error as { statusCode?: number } | undefined)?.statusCode ?? 0)

/** Text of an error, without the prefix that dockerode puts before the engine's own words. */
export const engineMessage = (error: unknown): string =>
  (error instanceof Error ? error.message : String(error)).replace(/^\(HTTP code \d+\) [a-z ]+ - /, '').trim()

const gone = new Set([
  'ECONNREFUSED',
  'ECONNRESET',
  'EPIPE',
  'ENOENT',
  'EACCES',
  'ENOTFOUND',
  'EHOSTUNREACH',
  'ETIMEDOUT',
])
const goneText =
  /socket hang up|stream ended early|premature close|transport is closing|code = (Unavailable|Canceled)|context canceled|aborted|daemon is shutting down/i

/**
 * What an error says about the engine: unreachable (`docker_unavailable`), gone while it worked for us
 * (`docker_daemon_restarted`), or out of disk. Undefined when the error is about something else.
 */
export function engineFault(error: unknown, { midWork }: { midWork: boolean }): Reason | undefined {
  if (typeof error === 'object' && error !== null && callersErrors.has(error)) return undefined
  const message = engineMessage(error)
  if (isDiskFull(error)) return reason('disk_full', { where: 'the Docker engine' })
  const code = (error as { code?: string } | undefined)?.code ?? ''
  const lost = gone.has(code) || code === 'ERR_STREAM_PREMATURE_CLOSE' || (!hasAnswer(error) && goneText.test(message))
  if (!lost) return undefined
  return midWork ? reason('docker_daemon_restarted') : reason('docker_unavailable', { detail: message })
}

const hasAnswer = (error: unknown): boolean => (error as { statusCode?: number } | undefined)?.statusCode !== undefined

/** Does the error, or a line of output, say that a disk is full? */
export const isDiskFull = (error: unknown): boolean =>
  (error as { code?: string } | undefined)?.code === 'ENOSPC' ||
  /no space left on device|ENOSPC/i.test(engineMessage(error))

const callersErrors = new WeakSet<object>()

/** Calls back the caller. What that throws is the caller's own, and never taken for a fault of the engine. */
export async function callBack<T>(work: () => T | Promise<T>): Promise<T> {
  try {
    return await work()
  } catch (error) {
    if (typeof error === 'object' && error !== null) callersErrors.add(error)
    throw error
  }
}

/** Waits, unless aborted: rejects with the signal's reason. */
export async function pause(delayMs: number, signal?: AbortSignal): Promise<void> {
  try {
    await sleep(delayMs, undefined, signal ? { signal } : {})
  } catch (error) {
    throw signal?.aborted ? signal.reason : error
  }
}
