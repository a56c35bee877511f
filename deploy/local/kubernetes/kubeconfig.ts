import { existsSync, readFileSync, writeFileSync } from 'node:fs'
import { request } from 'node:https'
import { homedir } from 'node:os'
import { delimiter, join } from 'node:path'

/** How to reach a cluster's API as one user. */
export interface ClusterAccess {
  server: string
  authority: string
  token: string
}

/** Writes a kubeconfig with one cluster and one user. (JSON is YAML.) */
export function writeKubeconfig(path: string, access: ClusterAccess): void {
  const cluster = {
    server: access.server,
    'certificate-authority-data': Buffer.from(access.authority).toString('base64'),
  }
  const name = 'taxiway-local'
  const content = {
    apiVersion: 'v1',
    kind: 'Config',
    'current-context': name,
    clusters: [{ name, cluster }],
    users: [{ name, user: { token: access.token } }],
    contexts: [{ name, context: { cluster: name, user: name } }],
  }
  writeFileSync(path, `${JSON.stringify(content, null, 2)}\n`, { mode: 0o600 })
}

/** Asks a cluster's API. Without access only whether somebody answers matters, so no certificate is checked and none sent. */
export function askCluster(
  server: string,
  path: string,
  access?: ClusterAccess,
): Promise<{ status: number; text: string }> {
  const trust = access
    ? { ca: access.authority, headers: { authorization: `Bearer ${access.token}` } }
    : { rejectUnauthorized: false }
  return new Promise((resolve, reject) => {
    const asked = request(
      new URL(path, server),
      { ...trust, agent: false, signal: AbortSignal.timeout(5000) },
      (response) => {
        const chunks: Buffer[] = []
        response.on('data', (chunk: Buffer) => chunks.push(chunk))
        response.on('error', reject)
        response.on('end', () => resolve({ status: response.statusCode ?? 0, text: Buffer.concat(chunks).toString() }))
      },
    )
    asked.on('error', reject)
    asked.end()
  })
}

/** The items of one top-level list of a kubeconfig, as blocks of text; enough of YAML for what kubectl, kind and others write. */
function items(text: string, list: string): string[] {
  const lines = text.split(/\r?\n/)
  const from = lines.findIndex((line) => line.startsWith(`${list}:`)) + 1
  if (from === 0) return []
  const length = lines.slice(from).findIndex((line) => /^[A-Za-z]/.test(line))
  const block = lines.slice(from, length < 0 ? undefined : from + length).join('\n')
  const indent = /^( *)- /m.exec(block)?.[1] ?? ''
  return block.split(new RegExp(`^${indent}- `, 'm')).slice(1)
}

const textOf = (text: string, key: string) => new RegExp(`^\\s*"?${key}"?:\\s*["']?([^"'\\s,]+)`, 'm').exec(text)?.[1]

/** The API server of a kubeconfig's current context. */
function serverOf(text: string): string | undefined {
  if (text.trimStart().startsWith('{')) {
    const config = JSON.parse(text)
    const context = config.contexts?.find((entry: { name: string }) => entry.name === config['current-context'])
    return config.clusters?.find((entry: { name: string }) => entry.name === context?.context.cluster)?.cluster.server
  }
  const named = (list: string, name: string | undefined) =>
    items(text, list).find((item) =>
      [...item.matchAll(/^ *name:\s*["']?([^"'\s]+)/gm)].some((match) => match[1] === name),
    )
  const context = named('contexts', textOf(text, 'current-context'))
  const cluster = context && named('clusters', textOf(context, 'cluster'))
  return cluster && textOf(cluster, 'server')
}

/**
 * The kubeconfig somebody set up for us: KUBECONFIG, or ~/.kube/config when its cluster is on this machine.
 * (A test run must not surprise the production cluster that kubectl happened to use last: that one wants KUBECONFIG.)
 */
export async function findKubeconfig(): Promise<string | undefined> {
  const given = process.env.KUBECONFIG
  const path = given?.split(delimiter).find((file) => file && existsSync(file)) ?? join(homedir(), '.kube/config')
  const server = existsSync(path) ? serverOf(readFileSync(path, 'utf8')) : undefined
  const isHere = server !== undefined && /^(127\.|localhost$|\[::1\]$)/.test(new URL(server).hostname)
  const answer = server && (given || isHere) ? await askCluster(server, '/version').catch(() => undefined) : undefined
  if (answer) return given || path
  if (given) throw new Error(`KUBECONFIG is ${given}, but no cluster answers there: start it, or unset KUBECONFIG.`)
  return undefined
}
