import { lookup as resolveName } from 'node:dns/promises'
import { isIP } from 'node:net'
import { done, type Outcome, refuse } from '@taxiway/domain/reason.ts'
import { isPrivateAddress } from './address.ts'

export interface CloneUrl {
  url: string
  origin: string
  /** `host:port:address,address` for git's http.curloptResolve, so that what was checked is what is connected to. */
  pin?: string
}
export interface UrlRules {
  /** Exact origins that may be plain http, private, or on any port. */
  allowedOrigins: readonly string[]
  lookup?: (host: string) => Promise<string[]>
}
const lookupMs = 5000
const mostCharacters = 2048

/**
 * May this URL be cloned? https on port 443 without credentials, and only public addresses, resolved once; or an origin that
 * the configuration lists.
 */
export async function checkCloneUrl(text: string, rules: UrlRules): Promise<Outcome<CloneUrl>> {
  const no = (detail: string) => refuse('url_not_allowed', { detail })
  if (text.length > mostCharacters || !/^https?:\/\/[^\s\\\p{Cc}]+$/iu.test(text) || !URL.canParse(text))
    return no('it is not an https URL')
  const url = new URL(text)
  if (url.username || url.password) return no('it has credentials in it')
  if (url.search || url.hash) return no('it has a query or a fragment')
  if (rules.allowedOrigins.includes(url.origin)) return done({ url: url.href, origin: url.origin })
  if (url.protocol !== 'https:') return no(`${url.origin} is plain http`)
  if (url.port) return no(`${url.origin} is not on port 443`)
  return checkHost(url, rules)
}

async function checkHost(url: URL, rules: UrlRules): Promise<Outcome<CloneUrl>> {
  const no = (detail: string) => refuse('url_not_allowed', { detail })
  // The URL parser has written odd forms out by now: 127.1, 0x7f000001 and [::ffff:7f00:1] are plain addresses.
  const host = url.hostname.replace(/^\[|\]$/g, '')
  if (isIP(host))
    return isPrivateAddress(host) ? no(`${host} is a private address`) : done({ url: url.href, origin: url.origin })
  if (!/^[a-z0-9]([a-z0-9._-]*[a-z0-9])?\.?$/.test(host)) return no(`${host.slice(0, 80)} is not a host name`)
  const addresses = await resolveInTime(host, rules.lookup ?? resolveAll)
  if (addresses.length === 0) return refuse('git_unavailable', { host, detail: 'its name could not be resolved' })
  if (addresses.some(isPrivateAddress)) return no(`${host} is a private address`)
  const pinned = addresses.map((address) => (address.includes(':') ? `[${address}]` : address)).join(',')
  return done({ url: url.href, origin: url.origin, pin: `${host}:443:${pinned}` })
}

const resolveAll = async (host: string): Promise<string[]> =>
  (await resolveName(host, { all: true })).map(({ address }) => address)

/** The addresses of a name; none if that fails or takes longer than 5 s. */
async function resolveInTime(host: string, lookup: (host: string) => Promise<string[]>): Promise<string[]> {
  const late = AbortSignal.timeout(lookupMs)
  return Promise.race([
    lookup(host).catch((): string[] => []),
    new Promise<string[]>((resolve) => late.addEventListener('abort', () => resolve([]), { once: true })),
  ])
}
