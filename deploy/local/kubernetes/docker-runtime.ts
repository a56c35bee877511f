import { existsSync, readdirSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { pauseImage } from '../base-images.ts'
import { askEngine } from '../engine-api.ts'
import { makeCgroup } from './cgroups.ts'
import { nameOf } from './names.ts'
import type { ClusterPlace, Runtime } from './runtime.ts'

const shimFolder = (state: string) => join(state, 'dockershim')

/** The machine's address on the engine's bridge. */
async function bridgeAddress(dockerHost: string): Promise<string> {
  const answer = await askEngine(dockerHost, 'GET', '/networks/bridge')
  const network = JSON.parse(answer.text) as { IPAM?: { Config?: { Subnet?: string; Gateway?: string }[] } }
  const config = network.IPAM?.Config?.find(({ Subnet }) => Subnet?.includes('.'))
  // An engine that has just made its bridge names no gateway: it is the first address then.
  const gateway = config?.Gateway ?? config?.Subnet?.replace(/\.0\/\d+$/, '.1')
  if (!gateway) throw new Error('The Docker engine has no bridge network with a gateway.')
  return gateway
}

/** The engine itself as what runs the pods, which kubelets before 1.24 can. */
export async function dockerRuntime({ state, dockerHost }: ClusterPlace): Promise<Runtime> {
  const info = JSON.parse((await askEngine(dockerHost, 'GET', '/info')).text) as { CgroupDriver?: string }
  const cgroupDriver = info.CgroupDriver ?? 'cgroupfs'
  if (cgroupDriver === 'cgroupfs') makeCgroup(nameOf(state))
  return {
    nodeAddress: await bridgeAddress(dockerHost),
    kubelet: {
      args: [
        '--container-runtime=docker',
        `--docker-endpoint=${dockerHost}`,
        `--pod-infra-container-image=${pauseImage}`,
        `--container-runtime-endpoint=unix://${join(state, 'dockershim.sock')}`,
        `--experimental-dockershim-root-directory=${shimFolder(state)}`,
      ],
      configuration: { cgroupDriver, ...(cgroupDriver === 'cgroupfs' ? { cgroupRoot: `/${nameOf(state)}` } : {}) },
    },
  }
}

const readNames = (folder: string) => (existsSync(folder) ? readdirSync(folder) : [])

interface ContainerEntry {
  Id: string
  Labels: Record<string, string>
}

/** Removes the containers of the cluster's pods from the engine, the sandboxes last. The kubelet noted the ids of its sandboxes. */
export async function removeContainers(dockerHost: string, state: string): Promise<void> {
  const sandboxes = new Set(readNames(join(shimFolder(state), 'sandbox')))
  if (sandboxes.size === 0) return
  const filters = encodeURIComponent(JSON.stringify({ label: ['io.kubernetes.pod.uid'] }))
  const list = await askEngine(dockerHost, 'GET', `/containers/json?all=1&filters=${filters}`)
  const ours = (JSON.parse(list.text) as ContainerEntry[]).filter(
    ({ Id, Labels }) => sandboxes.has(Id) || sandboxes.has(Labels['io.kubernetes.sandbox.id'] ?? ''),
  )
  const inside = ours.filter(({ Id }) => !sandboxes.has(Id))
  for (const group of [inside, ours.filter((entry) => !inside.includes(entry))])
    await Promise.all(
      group.map(({ Id }) => askEngine(dockerHost, 'DELETE', `/containers/${Id}?force=1&v=1`, { seconds: 30 })),
    )
  for (const { Id, Labels } of ours) {
    for (const link of readNames('/var/log/containers'))
      if (link.endsWith(`-${Id}.log`)) rmSync(join('/var/log/containers', link), { force: true })
    const pod = ['namespace', 'name', 'uid'].map((key) => Labels[`io.kubernetes.pod.${key}`]).join('_')
    rmSync(join('/var/log/pods', pod), { recursive: true, force: true })
  }
}
