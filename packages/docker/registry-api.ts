import { type Digest, parseDigest } from '@taxiway/domain/ids.ts'
import type { RegistryAuth } from './image.ts'

/** A registry, spoken to directly (OCI distribution specification 1.1). */
export interface RegistryApi {
  /** All tags; none when there is no such repository. */
  tags(repository: string): Promise<string[]>
  /** What a tag stands for now. */
  digest(repository: string, tag: string): Promise<Digest | undefined>
  /** Removes an image, by whichever tags it goes. Gone already is `removed`. */
  remove(repository: string, digest: Digest): Promise<'removed' | 'not_allowed'>
}

const callMs = 20_000
const mostPages = 50
const manifestTypes = [
  'application/vnd.oci.image.index.v1+json',
  'application/vnd.oci.image.manifest.v1+json',
  'application/vnd.docker.distribution.manifest.list.v2+json',
  'application/vnd.docker.distribution.manifest.v2+json',
].join(', ')

/** As the engine does: plain HTTP for this machine only. */
const originOf = (host: string): string =>
  /^(localhost|127\.\d+\.\d+\.\d+)(:|$)/.test(host) ? `http://${host}` : `https://${host}`

/** Speaks to a registry with these credentials, which go to its own origin, and to the token server that it names over TLS. */
export function makeRegistryApi(host: string, auth: RegistryAuth | undefined, signal?: AbortSignal): RegistryApi {
  const origin = originOf(host)
  const basic = auth && `Basic ${Buffer.from(`${auth.username}:${auth.password}`).toString('base64')}`
  const tokens = new Map<string, string>()
  const fetchOnce = (method: string, url: string, authorization: string | undefined) =>
    fetch(url, {
      method,
      redirect: 'error',
      headers: { accept: manifestTypes, ...(authorization ? { authorization } : {}) },
      signal: AbortSignal.any([AbortSignal.timeout(callMs), ...(signal ? [signal] : [])]),
    })
  const call = async (method: string, repository: string, path: string) => {
    const url = new URL(path, origin).href
    if (new URL(url).origin !== origin) throw new Error(`registry ${host} leads to another place`)
    const first = await fetchOnce(method, url, tokens.get(repository) ?? basic)
    const challenge = /^Bearer (.+)$/i.exec(first.headers.get('www-authenticate') ?? '')?.[1]
    if (first.status !== 401 || !challenge) return first
    const token = await askToken(challenge, repository, basic, origin, fetchOnce)
    if (!token) return first
    tokens.set(repository, `Bearer ${token}`)
    return fetchOnce(method, url, `Bearer ${token}`)
  }
  const fail = (status: number, what: string): never => {
    throw new Error(`registry ${host} answered ${status} to ${what}`)
  }
  return {
    async tags(repository) {
      const found: string[] = []
      let path: string | undefined = `/v2/${repository}/tags/list?n=1000`
      for (let pages = 0; path && pages < mostPages; pages++) {
        const answer: Response = await call('GET', repository, path)
        if (answer.status === 404) return found
        if (!answer.ok) fail(answer.status, `the tags of ${repository}`)
        const body = (await answer.json()) as { tags?: string[] | null }
        found.push(...(body.tags ?? []))
        path = /<([^>]+)>;\s*rel="?next/.exec(answer.headers.get('link') ?? '')?.[1]
      }
      return found
    },
    async digest(repository, tag) {
      const answer = await call('HEAD', repository, `/v2/${repository}/manifests/${tag}`)
      if (answer.status === 404) return undefined
      if (!answer.ok) fail(answer.status, `the tag ${tag} of ${repository}`)
      return parseDigest(answer.headers.get('docker-content-digest') ?? '')
    },
    async remove(repository, digest) {
      const answer = await call('DELETE', repository, `/v2/${repository}/manifests/${digest}`)
      if (answer.ok || answer.status === 404) return 'removed'
      if ([401, 403, 405, 501].includes(answer.status)) return 'not_allowed'
      return fail(answer.status, `the removal of ${repository}@${digest}`)
    },
  }
}

async function askToken(
  challenge: string,
  repository: string,
  basic: string | undefined,
  origin: string,
  fetchOnce: (method: string, url: string, authorization: string | undefined) => Promise<Response>,
): Promise<string | undefined> {
  const field = (name: string) => new RegExp(`${name}="([^"]*)"`, 'i').exec(challenge)?.[1]
  const realm = field('realm')
  if (!realm || !URL.canParse(realm)) return undefined
  const url = new URL(realm)
  if (url.protocol !== 'https:' && url.origin !== origin) return undefined
  const service = field('service')
  if (service) url.searchParams.set('service', service)
  url.searchParams.set('scope', `repository:${repository}:pull,delete`)
  const answer = await fetchOnce('GET', url.href, basic)
  if (!answer.ok) return undefined
  const body = (await answer.json()) as { token?: string; access_token?: string }
  return body.token ?? body.access_token
}
