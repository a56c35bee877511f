import { createWriteStream } from 'node:fs'
import { request } from 'node:http'
import { pipeline } from 'node:stream/promises'

/** What an engine answered. */
export interface EngineAnswer {
  status: number
  text: string
}

/** Where node:http finds the engine of a DOCKER_HOST (unix:// or tcp://, no TLS). */
function target(dockerHost: string): { socketPath: string } | { host: string; port: number } {
  if (dockerHost.startsWith('unix://')) return { socketPath: dockerHost.slice('unix://'.length) }
  const url = new URL(dockerHost.replace(/^tcp:/, 'http:'))
  return { host: url.hostname, port: Number(url.port || 2375) }
}

/** One request to an engine's API. `body` is an archive to send, or a value to send as JSON. */
export function askEngine(
  dockerHost: string,
  method: string,
  path: string,
  options: { body?: Buffer | object; seconds?: number } = {},
): Promise<EngineAnswer> {
  const isArchive = Buffer.isBuffer(options.body)
  const body = isArchive
    ? (options.body as Buffer)
    : options.body
      ? Buffer.from(JSON.stringify(options.body))
      : undefined
  const headers = body
    ? { 'content-type': isArchive ? 'application/x-tar' : 'application/json', 'content-length': body.length }
    : {}
  const signal = AbortSignal.timeout((options.seconds ?? 10) * 1000)
  return new Promise((resolve, reject) => {
    const asked = request({ ...target(dockerHost), method, path, headers, signal, agent: false }, (response) => {
      const chunks: Buffer[] = []
      response.on('data', (chunk: Buffer) => chunks.push(chunk))
      response.on('error', reject)
      response.on('end', () => resolve({ status: response.statusCode ?? 0, text: Buffer.concat(chunks).toString() }))
    })
    asked.on('error', reject)
    asked.end(body)
  })
}

/** Does an engine answer there? */
export async function engineAnswers(dockerHost: string): Promise<boolean> {
  const answer = await askEngine(dockerHost, 'GET', '/_ping', { seconds: 3 }).catch(() => undefined)
  return answer?.status === 200
}

/** Writes images of an engine into a file, as `docker save` does. */
export function saveImages(dockerHost: string, names: string[], file: string): Promise<void> {
  const path = `/images/get?${names.map((name) => `names=${encodeURIComponent(name)}`).join('&')}`
  const signal = AbortSignal.timeout(60_000)
  return new Promise((resolve, reject) => {
    const asked = request({ ...target(dockerHost), path, signal, agent: false }, (response) => {
      if (response.statusCode === 200) pipeline(response, createWriteStream(file)).then(resolve, reject)
      else reject(new Error(`The engine did not give the images ${names.join(', ')}: ${response.statusCode}`))
    })
    asked.on('error', reject)
    asked.end()
  })
}
