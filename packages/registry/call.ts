import { setTimeout as sleep } from 'node:timers/promises'
import { retryAfterMs } from '@taxiway/domain/retry-after.ts'

/** Name and password for a registry. */
export interface RegistryAuth {
  username: string
  password: string
}
/** One request to a registry. */
export interface RegistryRequest {
  method: 'GET' | 'HEAD' | 'POST' | 'PUT' | 'DELETE'
  /** The repository that it is about: rights are asked for by repository. */
  repository: string
  /** Path, or a URL that the registry named. */
  path: string
  body?: Uint8Array
  /** Media type of the body. */
  type?: string
}
export type RegistryCall = (request: RegistryRequest) => Promise<Response>

const callMs = 20_000
/** A registry that asks for patience (Retry-After) is asked so often in all, and waited for so long at most. */
const mostTries = 3
const longestWaitMs = 30_000
/** Kinds of manifest that we can do something with. */
const manifestTypes = [
  'application/vnd.oci.image.index.v1+json',
  'application/vnd.oci.image.manifest.v1+json',
  'application/vnd.docker.distribution.manifest.list.v2+json',
  'application/vnd.docker.distribution.manifest.v2+json',
].join(', ')

/** As the engine does: plain HTTP for this machine only, and Docker Hub under the name of its API. */
function originOf(host: string): string {
  if (host === 'docker.io') return 'https://registry-1.docker.io'
  return /^(localhost|127\.\d+\.\d+\.\d+)(:|$)/.test(host) ? `http://${host}` : `https://${host}`
}

type FetchOnce = (
  request: Pick<RegistryRequest, 'method' | 'body' | 'type'>,
  url: string,
  authorization: string | undefined,
) => Promise<Response>

/** Calls a registry with these credentials, which go to its own origin, and to the token server that it names over TLS. */
export function makeRegistryCall(host: string, auth: RegistryAuth | undefined, signal?: AbortSignal): RegistryCall {
  const origin = originOf(host)
  const basic = auth && `Basic ${Buffer.from(`${auth.username}:${auth.password}`).toString('base64')}`
  const tokens = new Map<string, string>()
  const fetchOnce: FetchOnce = ({ method, body, type }, url, authorization) =>
    fetch(url, {
      method,
      redirect: 'error',
      headers: {
        accept: manifestTypes,
        ...(type ? { 'content-type': type } : {}),
        ...(authorization ? { authorization } : {}),
      },
      ...(body ? { body: body as Uint8Array<ArrayBuffer> } : {}),
      signal: AbortSignal.any([AbortSignal.timeout(callMs), ...(signal ? [signal] : [])]),
    })
  const patiently: FetchOnce = async (...request) => {
    for (let tries = 1; ; tries++) {
      const answer = await fetchOnce(...request)
      const isBusy = answer.status === 429 || answer.status === 503
      const waitMs = isBusy ? retryAfterMs(answer.headers.get('retry-after') ?? '', Date.now()) : undefined
      if (waitMs === undefined || waitMs > longestWaitMs || tries >= mostTries) return answer
      await answer.body?.cancel()
      await sleep(waitMs, undefined, signal ? { signal } : {})
    }
  }
  return async function call(request) {
    const url = new URL(request.path, origin).href
    if (new URL(url).origin !== origin) throw new Error(`registry ${host} leads to another place`)
    const scope = `repository:${request.repository}:${request.method === 'POST' || request.method === 'PUT' ? 'pull,push' : 'pull,delete'}`
    const first = await patiently(request, url, tokens.get(scope) ?? basic)
    const challenge = /^Bearer (.+)$/i.exec(first.headers.get('www-authenticate') ?? '')?.[1]
    if (first.status !== 401 || !challenge) return first
    const token = await askToken(challenge, scope, { basic, origin, fetchOnce })
    if (!token) return first
    tokens.set(scope, `Bearer ${token}`)
    return patiently(request, url, `Bearer ${token}`)
  }
}

async function askToken(
  challenge: string,
  scope: string,
  { basic, origin, fetchOnce }: { basic: string | undefined; origin: string; fetchOnce: FetchOnce },
): Promise<string | undefined> {
  const field = (name: string) => new RegExp(`${name}="([^"]*)"`, 'i').exec(challenge)?.[1]
  const realm = field('realm')
  if (!realm || !URL.canParse(realm)) return undefined
  const url = new URL(realm)
  if (url.protocol !== 'https:' && url.origin !== origin) return undefined
  const service = field('service')
  if (service) url.searchParams.set('service', service)
  url.searchParams.set('scope', scope)
  const answer = await fetchOnce({ method: 'GET' }, url.href, basic)
  if (!answer.ok) return undefined
  const body = (await answer.json()) as { token?: string; access_token?: string }
  return body.token ?? body.access_token
}
