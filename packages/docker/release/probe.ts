import { request } from 'node:http'
import { connect } from 'node:net'
import { type ContainerView, execProbe } from '../container/release-container.ts'
import type { Engine } from '../engine/engine.ts'
import type { Probe } from './pod.ts'

/** Asks a readiness probe once. @returns undefined when it is content, else what it says */
export function ask(
  engine: Engine,
  probe: Probe,
  { id, ip }: Pick<ContainerView, 'id' | 'ip'>,
  timeoutMs: number,
  signal: AbortSignal,
): Promise<string | undefined> {
  if (probe.http) return askHttp(ip, probe.http, timeoutMs, signal)
  if (probe.exec) return askExec(engine, id, probe.exec, timeoutMs, signal)
  if (probe.tcp) return askTcp(ip, probe.tcp, timeoutMs, signal)
  return Promise.resolve(undefined)
}

/** Any status from 200 to 399 is content, and redirects are not followed, as the kubelet does it. */
function askHttp(
  host: string,
  { port, path, headers }: NonNullable<Probe['http']>,
  timeoutMs: number,
  signal: AbortSignal,
): Promise<string | undefined> {
  const what = `readiness probe GET :${port}${path}`
  return new Promise((resolve) => {
    const stop = AbortSignal.any([signal, AbortSignal.timeout(timeoutMs)])
    const asked = request({ host, port, path, headers, agent: false, signal: stop }, (answer) => {
      const status = answer.statusCode ?? 0
      resolve(status >= 200 && status < 400 ? undefined : `${what} answered ${status}`)
      answer.destroy()
    })
    asked.once('error', (error: NodeJS.ErrnoException) => {
      if (stop.aborted) resolve(`${what} got no answer within ${timeoutMs / 1000} s`)
      else resolve(error.code === 'ECONNREFUSED' ? `port ${port} is closed` : `${what} got no answer`)
    })
    asked.end()
  })
}

async function askExec(
  engine: Engine,
  id: string,
  command: string[],
  timeoutMs: number,
  signal: AbortSignal,
): Promise<string | undefined> {
  const { exitCode } = await execProbe(engine, id, command, timeoutMs, signal)
  if (exitCode === 0) return undefined
  const what = `readiness probe ${command.join(' ')}`
  return exitCode === undefined ? `${what} did not end within ${timeoutMs / 1000} s` : `${what} ended with ${exitCode}`
}

function askTcp(host: string, port: number, timeoutMs: number, signal: AbortSignal): Promise<string | undefined> {
  return new Promise((resolve) => {
    const socket = connect({ host, port, signal: AbortSignal.any([signal, AbortSignal.timeout(timeoutMs)]) })
    const end = (answer: string | undefined) => {
      socket.destroy()
      resolve(answer)
    }
    socket.once('connect', () => end(undefined))
    socket.once('error', ({ name }: Error) =>
      end(name === 'AbortError' ? `port ${port} does not answer` : `port ${port} is closed`),
    )
  })
}
