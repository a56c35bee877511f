import { lookup as resolveName } from 'node:dns/promises'
import { BlockList, isIP } from 'node:net'
import { done, type Outcome, refuse } from '@taxiway/domain/reason.ts'

/** Addresses that are not out there (IANA special-purpose registries): loopback, private, link-local, shared, multicast… */
const blocked = new BlockList()
for (const [net, bits] of [
  ['0.0.0.0', 8],
  ['10.0.0.0', 8],
  ['100.64.0.0', 10],
  ['127.0.0.0', 8],
  ['169.254.0.0', 16],
  ['172.16.0.0', 12],
  ['192.0.0.0', 24],
  ['192.168.0.0', 16],
  ['198.18.0.0', 15],
  ['224.0.0.0', 3],
] as const)
  blocked.addSubnet(net, bits, 'ipv4')
for (const [net, bits] of [
  ['::', 96],
  ['64:ff9b::', 96],
  ['fc00::', 7],
  ['fe80::', 10],
  ['ff00::', 8],
  ['2002::', 16],
] as const)
  blocked.addSubnet(net, bits, 'ipv6')

export interface CloneUrl {
  url: string
  origin: string
  /** `host:port:address` for git's http.curloptResolve, so that what was checked is what is connected to. */
  pin?: string
}

/** Is the address one that a public git host can't have? IPv4 in IPv6 is looked through. */
export function isPrivateAddress(address: string): boolean {
  const mapped = /^::ffff:(\d+\.\d+\.\d+\.\d+)$/i.exec(address)?.[1] ?? address
  return isIP(mapped) === 4 ? blocked.check(mapped, 'ipv4') : blocked.check(mapped, 'ipv6') || /^::ffff:/i.test(mapped)
}

/**
 * May this URL be cloned? https without credentials, and a public address, resolved once; or an origin that the
 * configuration lists, which may be plain http and private.
 */
export async function checkCloneUrl(
  text: string,
  options: { allowedOrigins: readonly string[]; lookup?: (host: string) => Promise<string[]> },
): Promise<Outcome<CloneUrl>> {
  const no = (detail: string) => refuse('url_not_allowed', { detail })
  if (!/^https?:\/\/[^\s\\]+$/i.test(text) || !URL.canParse(text)) return no('it is not an https URL')
  const url = new URL(text)
  if (url.username || url.password) return no('it has credentials in it')
  if (options.allowedOrigins.includes(url.origin)) return done({ url: url.href, origin: url.origin })
  if (url.protocol !== 'https:') return no(`${url.origin} is plain http`)
  const host = url.hostname.replace(/^\[|\]$/g, '')
  const lookup =
    options.lookup ?? (async (name: string) => (await resolveName(name, { all: true })).map(({ address }) => address))
  const addresses = isIP(host) ? [host] : await lookup(host).catch(() => [])
  const [address] = addresses
  if (!address) return refuse('git_unavailable', { host, detail: 'its name could not be resolved' })
  if (addresses.some(isPrivateAddress)) return no(`${host} is a private address`)
  return done({
    url: url.href,
    origin: url.origin,
    pin: `${host}:${url.port || 443}:${address.includes(':') ? `[${address}]` : address}`,
  })
}
