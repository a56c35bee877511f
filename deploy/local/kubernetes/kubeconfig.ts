import { rmSync, writeFileSync } from 'node:fs'
import { request } from 'node:https'
import { homedir } from 'node:os'
import { join, resolve } from 'node:path'
import { KubeConfig, VersionApi } from '@kubernetes/client-node'
import { foundPart, type LocalPart } from '../part.ts'
import { type FoundKubeconfig, readKubeconfigFiles } from './kubeconfig-files.ts'
import { wantedVersion } from './versions.ts'

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

/** A cluster that somebody else runs. */
export interface FoundCluster {
  kubeconfig: FoundKubeconfig
  /** What the person wrote, or the one file. */
  address: string
}

/**
 * The kubeconfig somebody set up for us: KUBECONFIG, or ~/.kube/config when its cluster is on this machine.
 * (A test run must not surprise the production cluster that kubectl happened to use last: that one wants KUBECONFIG.)
 */
export async function findCluster(say: (line: string) => void): Promise<FoundCluster | undefined> {
  const given = process.env.KUBECONFIG
  let kubeconfig: FoundKubeconfig | undefined
  try {
    kubeconfig = readKubeconfigFiles(process.env, homedir())
  } catch (error) {
    if (given) throw new Error(`KUBECONFIG cannot be used: ${error instanceof Error ? error.message : error}`)
    say(`passing over ${error instanceof Error ? error.message : error}`)
  }
  if (!kubeconfig) return undefined
  const { server, files } = kubeconfig
  const isHere = /^(127\.|localhost$|\[::1\]$)/.test(new URL(server).hostname)
  const answer = given || isHere ? await askCluster(server, '/version').catch(() => undefined) : undefined
  if (answer) return { kubeconfig, address: given || (files[0] as string) }
  if (given)
    throw new Error(`KUBECONFIG is ${given}, but no cluster answers at ${server}: start it, or unset KUBECONFIG.`)
  return undefined
}

/** The version of a cluster, like 1.34. */
async function versionOf({ config }: FoundKubeconfig): Promise<string> {
  const client = new KubeConfig()
  client.loadFromString(JSON.stringify(config))
  const { major, minor } = await client.makeApiClient(VersionApi).getCode()
  return `${major}.${Number.parseInt(minor, 10)}`
}

/** A cluster that was found as a part; several files become one in the folder, as not every program merges them. */
export async function foundCluster(found: FoundCluster, folder: string): Promise<LocalPart> {
  const { files, config } = found.kubeconfig
  const wanted = wantedVersion()
  const version = wanted ? await versionOf(found.kubeconfig) : undefined
  if (version !== wanted)
    throw new Error(
      `TAXIWAY_LOCAL_KUBERNETES asks for ${wanted}, but the cluster of ${found.address} is ${version}: unset KUBECONFIG, or the other.`,
    )
  if (files.length === 1) return foundPart('kubernetes', files[0] as string)
  const address = join(resolve(folder), 'kubeconfig')
  writeFileSync(address, `${JSON.stringify(config, null, 2)}\n`, { mode: 0o600 })
  return { ...foundPart('kubernetes', address), stop: async () => rmSync(address, { force: true }) }
}
