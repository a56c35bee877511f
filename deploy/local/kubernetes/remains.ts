import { existsSync, readdirSync, readFileSync, readlinkSync, rmSync } from 'node:fs'
import { basename, dirname, join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { unmountBelow } from '../leftovers.ts'
import { tryLock } from '../lock.ts'
import { processesIn, removeCgroup } from './cgroups.ts'
import { removeContainers } from './docker-runtime.ts'
import { nameOf, statePrefix } from './names.ts'
import { removePodNetwork } from './pod-network.ts'

const daemons = /^(etcd|kube-apiserver|kube-controller-manager|kube-scheduler|kubelet|containerd)$/
const shims = /^containerd-shim/
const podLinks = '/var/log/containers'

/** The cluster's own programs of such a name that run, by the state folder in their command line. */
function processesOf(state: string, programs: RegExp): number[] {
  return readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name))
    .map(Number)
    .filter((id) => {
      try {
        const words = readFileSync(`/proc/${id}/cmdline`, 'utf8').split('\0')
        return programs.test(basename(words[0] ?? '')) && words.some((word) => word.includes(`${state}/`))
      } catch {
        return false
      }
    })
}

function send(ids: number[], signal: NodeJS.Signals): void {
  for (const id of ids) {
    try {
      process.kill(id, signal)
    } catch {
      // It is gone already.
    }
  }
}

/** Ends what `list` finds: asks first if it may take some time, and forces then. */
async function endAll(list: () => number[], askedMs: number): Promise<void> {
  const started = Date.now()
  for (let left = list(); left.length > 0 && Date.now() - started < askedMs + 5000; left = list()) {
    send(left, Date.now() - started < askedMs ? 'SIGTERM' : 'SIGKILL')
    await sleep(50)
  }
}

/**
 * Removes everything of a cluster: pods and what holds them, mounts, network, control group, state. Ends what of its
 * programs still runs. May be called again.
 */
export async function removeCluster(state: string, dockerHost: string): Promise<void> {
  if (!existsSync(state)) return
  await endAll(() => processesOf(state, daemons), 5000)
  await removeContainers(dockerHost, state)
  await endAll(() => processesIn(nameOf(state)), 0)
  await endAll(() => processesOf(state, shims), 2000)
  await unmountBelow(state)
  for (const name of existsSync(podLinks) ? readdirSync(podLinks) : []) {
    const link = join(podLinks, name)
    if (readlinkSync(link).startsWith(`${state}/`)) rmSync(link, { force: true })
  }
  await removePodNetwork(nameOf(state), state)
  removeCgroup(nameOf(state))
  rmSync(state, { recursive: true, force: true })
}

/** The lock of a cluster, which its process holds as long as it lives. */
export const lockCluster = (state: string) => tryLock(`kubernetes-in-${state}`)

/** Removes what clusters whose process was killed have left on this machine. */
export async function removeDeadClusters(dockerHost: string): Promise<void> {
  const folder = dirname(statePrefix)
  for (const name of readdirSync(folder).filter((name) => name.startsWith(basename(statePrefix)))) {
    const state = join(folder, name)
    const release = await lockCluster(state)
    if (!release) continue
    await removeCluster(state, dockerHost).finally(release)
  }
}
