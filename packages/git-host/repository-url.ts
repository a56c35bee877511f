import { isIPv4 } from 'node:net'
import { done, type Outcome, refuse } from '@taxiway/domain/reason.ts'

export interface RepositoryUrl {
  /** owner/name */
  fullName: string
  origin: string
  cloneUrl: string
  apiUrl: string
}

/**
 * Reads the clone URL that an admin registers: https (or an origin listed in the configuration), no credentials, exactly
 * owner/name. The base of the REST API is GitHub's own or Enterprise's /api/v3, unless given; it must be allowed as well.
 */
export function parseRepositoryUrl(
  text: string,
  options: { allowedOrigins: readonly string[]; apiUrl?: string },
): Outcome<RepositoryUrl> {
  const parsed = checkOrigin(text, options.allowedOrigins)
  if (!parsed.ok) return parsed
  const url = parsed.value
  const fullName = /^\/([\w.-]{1,100}\/[\w.-]{1,100}?)(?:\.git)?\/?$/.exec(url.pathname)?.[1]
  if (!fullName || hasMore(url) || fullName.split('/').some((part) => /^(\.+|-.*|\.git)$/.test(part)))
    return refuse('url_not_allowed', { detail: 'it is not of the form https://host/owner/name.git' })
  const api = checkOrigin(options.apiUrl ?? defaultApi(url), options.allowedOrigins)
  if (!api.ok) return api
  if (hasMore(api.value)) return refuse('url_not_allowed', { detail: 'the API address has a query or a fragment' })
  return done({
    fullName,
    origin: url.origin,
    cloneUrl: `${url.origin}/${fullName}.git`,
    apiUrl: api.value.href.replace(/\/+$/, ''),
  })
}

/** Is there a query or a fragment, be it an empty one? */
const hasMore = (url: URL): boolean => /[?#]/.test(url.href)

const defaultApi = (url: URL): string =>
  url.hostname === 'github.com' ? 'https://api.github.com' : `${url.origin}/api/v3`

function checkOrigin(text: string, allowedOrigins: readonly string[]): Outcome<URL> {
  // git reads `ext::`, `-option` and control characters in its own way; nothing like it gets as far.
  if (!/^https?:\/\/[^\s\\]+$/i.test(text) || !URL.canParse(text))
    return refuse('url_not_allowed', { detail: 'it is not an https URL' })
  const url = new URL(text)
  if (url.username || url.password)
    return refuse('url_not_allowed', { detail: 'it has credentials in it; give the token apart' })
  if (allowedOrigins.includes(url.origin)) return done(url)
  if (url.protocol !== 'https:') return refuse('url_not_allowed', { detail: `${url.origin} is plain http` })
  if (isPrivateName(url.hostname)) return refuse('url_not_allowed', { detail: `${url.hostname} is a private address` })
  return done(url)
}

/**
 * Literal addresses that no public git host has (IANA's special-purpose registry; of IPv6, all), and this machine's own name.
 * Other names are resolved and checked before each fetch.
 */
const isPrivateName = (host: string): boolean =>
  isIPv4(host)
    ? /^(0|10|127|169\.254|172\.(1[6-9]|2\d|3[01])|192\.0\.0|192\.168|198\.1[89]|100\.(6[4-9]|[7-9]\d|1[01]\d|12[0-7])|22[4-9]|2[3-5]\d)\./.test(
        host,
      )
    : host.startsWith('[') || /^(.+\.)?localhost\.?$/.test(host)
