import { existsSync, mkdirSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { busyboxImage, pauseImage } from '../base-images.ts'
import { saveImages } from '../engine-api.ts'
import { canLowerOomScore } from '../oom-score.ts'
import { type Daemon, findProgram, runProgram, startDaemon, waitUntil } from '../process.ts'
import { makeCgroup } from './cgroups.ts'
import { nameOf } from './names.ts'
import { makePodNetwork } from './pod-network.ts'
import type { ClusterPlace, Runtime } from './runtime.ts'

const pluginFolders = ['/usr/lib/cni', '/opt/cni/bin', '/usr/libexec/cni']
const findPlugins = () =>
  pluginFolders.find((folder) => ['bridge', 'host-local', 'loopback'].every((name) => existsSync(join(folder, name))))

/** The Debian packages behind startContainerd that this machine lacks. A containerd from elsewhere is as good as Debian's. */
export function containerdPackages(): string[] {
  const programs = { containerd: 'containerd', ctr: 'containerd', runc: 'runc', iptables: 'iptables', ip: 'iproute2' }
  const missing = Object.entries(programs).flatMap(([program, name]) => (findProgram(program) ? [] : [name]))
  return [...new Set(missing), ...(findPlugins() ? [] : ['containernetworking-plugins'])]
}

/** A containerd that shares nothing with another on this machine. (A string of JSON is one of TOML.) */
function configuration(state: string, networkFolder: string): string {
  const text = (value: string) => JSON.stringify(value)
  const cri = '[plugins."io.containerd.grpc.v1.cri"'
  return `version = 2
root = ${text(join(state, 'containerd'))}
state = ${text(join(state, 'containerd-state'))}
disabled_plugins = ["io.containerd.internal.v1.opt", "io.containerd.snapshotter.v1.aufs", "io.containerd.snapshotter.v1.btrfs", "io.containerd.snapshotter.v1.devmapper", "io.containerd.snapshotter.v1.zfs"]
[grpc]
address = ${text(socketOf(state))}
${cri}]
sandbox_image = ${text(`docker.io/${pauseImage}`)}
restrict_oom_score_adj = ${!canLowerOomScore()}
netns_mounts_under_state_dir = true
enable_unprivileged_ports = true
${cri}.cni]
bin_dir = ${text(findPlugins() ?? '')}
conf_dir = ${text(networkFolder)}
`
}

const socketOf = (state: string) => join(state, 'containerd.sock')

/** Gives containerd the images that the engine has and no registry. */
async function importImages({ state, dockerHost }: ClusterPlace): Promise<void> {
  const file = join(state, 'images.tar')
  await saveImages(dockerHost, [pauseImage, busyboxImage], file)
  const ctr = findProgram('ctr') ?? 'ctr'
  await runProgram(ctr, ['--address', socketOf(state), '--namespace', 'k8s.io', 'images', 'import', file])
  rmSync(file)
}

/** Starts a containerd of the cluster's own, with a network and a control group for its pods. */
export async function startContainerd(place: ClusterPlace): Promise<Runtime> {
  const { state, logs, started } = place
  const network = await makePodNetwork(nameOf(state), state)
  makeCgroup(nameOf(state))
  mkdirSync(state, { recursive: true })
  const config = join(state, 'containerd.toml')
  writeFileSync(config, configuration(state, network.configurationFolder))
  const command = findProgram('containerd') ?? 'containerd'
  const env = { PATH: `${process.env.PATH}:/usr/local/sbin:/usr/sbin:/sbin` }
  const daemon: Daemon = await startDaemon({
    name: 'containerd',
    command,
    args: ['--config', config],
    folder: logs,
    env,
  })
  started(daemon)
  const ctr = findProgram('ctr') ?? 'ctr'
  const answers = async () => (await runProgram(ctr, ['--address', socketOf(state), 'version'])) !== ''
  await waitUntil('containerd', 30, answers, daemon)
  await importImages(place)
  return {
    nodeAddress: network.nodeAddress,
    kubelet: {
      args: [],
      configuration: {
        containerRuntimeEndpoint: `unix://${socketOf(state)}`,
        cgroupDriver: 'cgroupfs',
        cgroupRoot: `/${nameOf(state)}`,
        failCgroupV1: false,
        localStorageCapacityIsolation: false,
        podLogsDir: join(state, 'pod-logs'),
        ...(canLowerOomScore() ? {} : { oomScoreAdj: 0 }),
      },
    },
  }
}
