import { mkdirSync } from 'node:fs'
import { installPackages } from '../apt.ts'
import { ensureBaseImages } from '../base-images.ts'
import type { LocalOptions, LocalPart } from '../part.ts'
import { findProgram } from '../process.ts'
import { startCluster } from './cluster.ts'
import { containerdPackages } from './containerd.ts'
import { startKind } from './kind.ts'
import { findCluster, foundCluster } from './kubeconfig.ts'
import { buildPackages, ensurePrograms, possibleVersions, whyNone } from './programs.ts'
import { type Version, wantedVersion } from './versions.ts'

const clusterPackages = ['etcd-server', 'openssl']

const mayUseKind = () => findProgram('kind') !== undefined && !wantedVersion()

/** The Debian packages behind a cluster of plain processes that this machine lacks. */
function packagesOf(version: Version): string[] {
  return [
    ...(findProgram('etcd') && findProgram('openssl') ? [] : clusterPackages),
    ...(version === '1.20' ? [] : containerdPackages()),
    ...buildPackages(version),
  ]
}

/** The Debian packages behind startKubernetes on this machine, when no cluster was found. */
export async function kubernetesPackages(): Promise<string[]> {
  const [version] = mayUseKind() ? [] : await possibleVersions()
  return version ? packagesOf(version) : []
}

/** The newest of these versions whose programs could be had. One that fails is told, and the next is tried. */
async function firstPrograms(versions: Version[], o: LocalOptions): Promise<{ version: Version; bin: string }> {
  const [version, ...others] = versions
  if (!version) throw new Error(whyNone())
  try {
    return { version, bin: await ensurePrograms(version, o) }
  } catch (error) {
    if (others.length === 0) throw error
    o.say(`${error instanceof Error ? error.message : error}\nKubernetes ${others[0]} is made instead.`)
    return firstPrograms(others, o)
  }
}

/**
 * Finds a cluster; else starts one by kind; else one of plain processes, the newest that this machine has or can build.
 * A new one is empty.
 */
export async function startKubernetes(o: LocalOptions & { dockerHost: string }): Promise<LocalPart> {
  mkdirSync(o.folder, { recursive: true })
  const found = await findCluster(o.say)
  if (found) return foundCluster(found, o.folder)
  const byKind = mayUseKind() ? await startKind(o) : undefined
  if (byKind) return byKind
  const versions = await possibleVersions()
  if (versions.length > 0 && (process.getuid?.() !== 0 || !o.dockerHost.startsWith('unix://')))
    throw new Error(
      'No Kubernetes: set KUBECONFIG, or run as root beside a Docker engine on this machine, so that one can be started.',
    )
  const { version, bin } = await firstPrograms(versions, o)
  const installed = await installPackages(packagesOf(version), o.say)
  await ensureBaseImages(o)
  o.say(`starting Kubernetes ${version}`)
  const part = await startCluster(version, o, bin)
  return installed ? { ...part, how: 'installed and started' } : part
}
