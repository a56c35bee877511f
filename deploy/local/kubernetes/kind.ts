import { createHash } from 'node:crypto'
import { join } from 'node:path'
import type { LocalOptions, LocalPart } from '../part.ts'
import { findProgram, runProgram } from '../process.ts'

/** A cluster by `kind`, where that is installed and its node image can be had; otherwise undefined. */
export async function startKind(o: LocalOptions & { dockerHost: string }): Promise<LocalPart | undefined> {
  const kind = findProgram('kind')
  if (!kind) return undefined
  const name = `taxiway-${createHash('sha256').update(o.folder).digest('hex').slice(0, 8)}`
  const kubeconfig = join(o.folder, 'kubeconfig')
  const which = ['--name', name, '--kubeconfig', kubeconfig]
  const env = { DOCKER_HOST: o.dockerHost }
  const remove = () => runProgram(kind, ['delete', 'cluster', ...which], { seconds: 120, env })
  o.say('starting a cluster with kind')
  try {
    await remove()
    await runProgram(kind, ['create', 'cluster', ...which, '--wait', '120s'], { seconds: 400, env })
  } catch (error) {
    o.say(`kind could not: ${error instanceof Error ? error.message : error}`)
    await remove().catch(() => undefined)
    return undefined
  }
  const stop = async () => {
    await remove()
  }
  return { name: 'kubernetes', how: 'started', address: kubeconfig, stop }
}
