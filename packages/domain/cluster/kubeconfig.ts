import { done, type Outcome, refuse } from '../reason.ts'

/** How to reach a cluster, and who we are to it, all in memory: nothing in it names a file or a program. */
export type ClusterAccess =
  | { inCluster: true }
  | {
      inCluster?: never
      server: string
      /** PEM in base64, as in a kubeconfig; without it the system's own authorities are trusted. */
      authority?: string
      /** Name that the server's certificate has, if it is not that of the address. */
      serverName?: string
      credentials: { token: string } | { certificate: string; key: string }
    }

type Json = Record<string, unknown>
const isObject = (value: unknown): value is Json => typeof value === 'object' && value !== null && !Array.isArray(value)
const refused = (detail: string) => refuse('kubeconfig_refused', { detail })
const wayOut = 'put a certificate or a token itself into it ("taxiway cluster rbac --kubeconfig" tells how)'

/** Keys of a user that make whoever opens the file run a program or read a file, or that pass for somebody else. */
const userDangers: Record<string, string> = {
  exec: `it runs a program (exec); ${wayOut}`,
  'auth-provider': `it asks a program or a service for credentials (auth-provider); ${wayOut}`,
  'client-certificate': `client-certificate names a file; ${wayOut}`,
  'client-key': `client-key names a file; ${wayOut}`,
  tokenFile: `tokenFile names a file; ${wayOut}`,
  username: `a user name and password are not taken; ${wayOut}`,
  password: `a user name and password are not taken; ${wayOut}`,
}
const clusterDangers: Record<string, string> = {
  'certificate-authority': 'certificate-authority names a file; use certificate-authority-data',
  'insecure-skip-tls-verify': 'insecure-skip-tls-verify would trust anybody; use certificate-authority-data',
  'proxy-url': 'proxy-url is not supported',
}
const userKeys = ['token', 'client-certificate-data', 'client-key-data', 'extensions']
const clusterKeys = ['server', 'certificate-authority-data', 'tls-server-name', 'disable-compression', 'extensions']

/**
 * What a context of a parsed kubeconfig says, and nothing else of it. Refuses (`kubeconfig_refused`) what would run a
 * program or read a file of the deployer's machine, and every key it does not know. No message quotes a value.
 * @param context its current context, unless told
 */
export function readKubeconfig(value: unknown, context?: string): Outcome<ClusterAccess> {
  if (!isObject(value)) return refused('it is not a map')
  const wanted = context ?? value['current-context']
  if (typeof wanted !== 'string' || wanted === '') return refused('it has no current-context; name a context')
  const chosen = entry(value.contexts, wanted, 'context')
  if (!chosen) return refused(`it has no context ${wanted}`)
  const cluster = entry(value.clusters, chosen.cluster, 'cluster')
  const user = entry(value.users, chosen.user, 'user')
  if (!cluster || !user) return refused(`its context ${wanted} names a cluster or user that it has not`)
  const danger =
    objection('cluster', cluster, clusterDangers, clusterKeys) ?? objection('user', user, userDangers, userKeys)
  if (danger) return refused(danger)
  return readEntries(cluster, user)
}

/** The entry of a name in a list like `[{ name, cluster: {…} }]`. */
function entry(list: unknown, wanted: unknown, key: string): Json | undefined {
  const found = Array.isArray(list) ? list.find((item) => isObject(item) && item.name === wanted) : undefined
  const inner = isObject(found) ? found[key] : undefined
  return isObject(inner) ? inner : undefined
}

function objection(what: string, from: Json, dangers: Record<string, string>, known: string[]): string | undefined {
  for (const [key, value] of Object.entries(from)) {
    if (value === null || value === undefined || value === false || value === '') continue
    if (Object.hasOwn(dangers, key)) return `of its ${what}, ${dangers[key]}`
    if (!known.includes(key)) return `of its ${what}, the key ${key} is not known here`
  }
  return undefined
}

function readEntries(cluster: Json, user: Json): Outcome<ClusterAccess> {
  const server = readServer(cluster.server)
  if (!server.ok) return server
  const authority = cluster['certificate-authority-data']
  const serverName = cluster['tls-server-name']
  if (authority && !isPem(authority, 'CERTIFICATE'))
    return refused('certificate-authority-data is not a certificate (PEM) in base64')
  if (serverName !== undefined && (typeof serverName !== 'string' || !/^[A-Za-z0-9.:-]{1,253}$/.test(serverName)))
    return refused('tls-server-name is not a host name')
  const credentials = readCredentials(user)
  if (!credentials.ok) return credentials
  return done({
    server: server.value,
    credentials: credentials.value,
    ...(authority ? { authority: authority as string } : {}),
    ...(serverName ? { serverName } : {}),
  })
}

function readServer(server: unknown): Outcome<string> {
  const url = typeof server === 'string' && URL.canParse(server) ? new URL(server) : undefined
  if (url?.protocol !== 'https:') return refused('the address of its server is not a URL that begins with https://')
  if (url.username || url.password || url.search || url.hash)
    return refused('the address of its server has more than host, port and path')
  return done(url.href.replace(/\/+$/, ''))
}

function readCredentials(user: Json): Outcome<{ token: string } | { certificate: string; key: string }> {
  const { token } = user
  if (token) {
    const isToken = typeof token === 'string' && /^[\x21-\x7e]{1,16384}$/.test(token)
    return isToken ? done({ token }) : refused('the token of its user is not one word')
  }
  const [certificate, key] = [user['client-certificate-data'], user['client-key-data']]
  if (!certificate || !key)
    return refused('its user has neither a token nor client-certificate-data and client-key-data')
  if (!isPem(certificate, 'CERTIFICATE')) return refused('client-certificate-data is not a certificate (PEM) in base64')
  if (!isPem(key, 'PRIVATE KEY')) return refused('client-key-data is not a private key (PEM) in base64')
  return done({ certificate, key })
}

const isPem = (value: unknown, what: string): value is string =>
  typeof value === 'string' &&
  /^[A-Za-z0-9+/\s]+={0,2}\s*$/.test(value) &&
  new RegExp(`-----BEGIN ([A-Z]+ )*${what}-----`).test(atob(value.replace(/\s/g, '')))
