import { isDeepStrictEqual } from 'node:util'
import { done, type Outcome, refuse } from '@taxiway/domain/reason.ts'
import type { ContainerCreateOptions } from 'dockerode'
import { callDeadlineMs, type Engine, engineFault, engineMessage, hasStatus, within } from '../engine/engine.ts'
import { label, workMark } from '../engine/labels.ts'

/** Whom a folder in a container is given to, by number. */
export interface FolderOwner {
  uid: number
  gid: number
  /** How many of the folders above it the image lacks, which are made with it. */
  made: number
}

/** What any container of ours is made from. */
export interface ContainerSpec {
  /** See objectName: derived, so that a second try finds what the first one made. */
  name: string
  /** A local name, an id, or a reference by digest. */
  image: string
  command?: string[]
  /** In the place of the image's own, whose command is left out then as well. */
  entrypoint?: string[]
  env?: Record<string, string>
  /** Absolute; the image's own without it. */
  workdir?: string
  user?: string
  labels: Record<string, string>
  /** Name or id of a network. */
  network: string
  /** Names under which others on the network find it. */
  aliases?: string[]
  memoryMb: number
  /** Of /dev/shm; 64 without it. It counts as memory. */
  shmMb?: number
  cpus: number
  pids: number
  dns?: string[]
  /** Volumes of the engine, by name, where they are in the container, and to whom that is given before it starts. */
  volumes?: { name: string; path: string; owner?: FolderOwner }[]
}
/** A container that carries a release. */
export interface ReleaseSpec extends ContainerSpec {
  /** Published on the host; the container's own address serves without it. */
  publish?: { containerPort: number; hostIp: string; hostPort: number }[]
}

const options = (spec: ContainerSpec): ContainerCreateOptions => ({
  Image: spec.image,
  ...(spec.command ? { Cmd: spec.command } : {}),
  ...(spec.entrypoint ? { Entrypoint: spec.entrypoint } : {}),
  Env: Object.entries(spec.env ?? {}).map(([name, value]) => `${name}=${value}`),
  ...(spec.workdir ? { WorkingDir: spec.workdir } : {}),
  ...(spec.user ? { User: spec.user } : {}),
  HostConfig: {
    NetworkMode: spec.network,
    // Swap counts into MemorySwap, so the same number means none.
    Memory: spec.memoryMb * 1024 * 1024,
    MemorySwap: spec.memoryMb * 1024 * 1024,
    ...(spec.shmMb ? { ShmSize: spec.shmMb * 1024 * 1024 } : {}),
    NanoCpus: Math.round(spec.cpus * 1e9),
    PidsLimit: spec.pids,
    SecurityOpt: ['no-new-privileges:true'],
    Privileged: false,
    Init: true,
    Ulimits: [{ Name: 'core', Soft: 0, Hard: 0 }],
    LogConfig: { Type: 'json-file', Config: { 'max-size': '5m', 'max-file': '1' } },
    ...(spec.dns ? { Dns: spec.dns } : {}),
    ...(spec.volumes
      ? {
          Mounts: spec.volumes.map(({ name, path }) => ({
            Type: 'volume' as const,
            Source: name,
            Target: path,
            VolumeOptions: { NoCopy: true, Labels: {}, DriverConfig: { Name: '', Options: {} } },
          })),
        }
      : {}),
  },
  ...(spec.aliases ? { NetworkingConfig: { EndpointsConfig: { [spec.network]: { Aliases: spec.aliases } } } } : {}),
})

/**
 * What people's images do as root: install packages, hand files over, step down to a user of their own, take a low port. None of it reaches beyond the
 * container's own files and processes; what would (raw sockets, devices, mounts, other processes) is in none of them.
 */
const workCapabilities = ['CHOWN', 'DAC_OVERRIDE', 'FOWNER', 'KILL', 'NET_BIND_SERVICE', 'SETGID', 'SETPCAP', 'SETUID']
/** As many as hosted runners give: databases ask for it, and programs that close all files are not held up. */
const openFiles = 65_536
/** Engines that may not give so many; what they have themselves is less. */
const modestEngines = new WeakSet<object>()

/** Work runs strangers' code: with few capabilities and no way to more, and never restarted. */
export function workOptions(engine: Engine, spec: ContainerSpec): ContainerCreateOptions {
  const base = options(spec)
  const nofile = { Name: 'nofile', Soft: openFiles, Hard: openFiles }
  return {
    ...base,
    Labels: { ...spec.labels, ...workMark(engine) },
    HostConfig: {
      ...base.HostConfig,
      Ulimits: [{ Name: 'core', Soft: 0, Hard: 0 }, ...(modestEngines.has(engine.docker) ? [] : [nofile])],
      CapDrop: ['ALL'],
      CapAdd: workCapabilities,
      RestartPolicy: { Name: 'no' },
    },
  }
}

/** Does the error of a start say that the engine may not give so many open files? From then on it is not asked for them. */
export function isModest(engine: Engine, error: unknown): boolean {
  const isSo = /error setting rlimit/i.test(engineMessage(error))
  if (isSo) modestEngines.add(engine.docker)
  return isSo
}

/** A job runs once, with no more rights than it has on a cluster; it is no work of a builder, which would sweep it away. */
export function jobOptions(spec: ContainerSpec): ContainerCreateOptions {
  const base = options(spec)
  return {
    ...base,
    Labels: spec.labels,
    HostConfig: { ...base.HostConfig, CapDrop: ['ALL'], RestartPolicy: { Name: 'no' } },
  }
}

/** A release has the engine's default capabilities (an image may bind port 80) and comes back after a restart of the machine. */
export function releaseOptions(spec: ReleaseSpec): ContainerCreateOptions {
  const base = options(spec)
  const ports = spec.publish ?? []
  const exposed = ports.map((port) => [`${port.containerPort}/tcp`, {}])
  const bound = ports.map((port) => [
    `${port.containerPort}/tcp`,
    [{ HostIp: port.hostIp, HostPort: String(port.hostPort) }],
  ])
  return {
    ...base,
    // Overrides what the image may say: a label of ours in an image must not have a release swept.
    Labels: { [label.run]: '', ...spec.labels, [label.role]: 'release' },
    ExposedPorts: Object.fromEntries(exposed),
    HostConfig: {
      ...base.HostConfig,
      PortBindings: Object.fromEntries(bound),
      // An engine that was killed ends its containers when it comes back, and to `unless-stopped` that is a stop by hand.
      RestartPolicy: { Name: 'always' },
    },
  }
}

/**
 * Creates a container and returns its id. A container of that name that carries our role and run is the leaving of
 * an earlier try and is replaced; a foreign one is an error.
 */
export async function createContainer(
  engine: Engine,
  name: string,
  wanted: ContainerCreateOptions,
  signal: AbortSignal,
): Promise<Outcome<string>> {
  const create = () =>
    within(
      callDeadlineMs,
      signal,
      async (abortSignal) => (await engine.docker.createContainer({ ...wanted, name, abortSignal })).id,
    )
  try {
    return done(
      await create().catch(async (error) => {
        if (!hasStatus(error, 409)) throw error
        await removeOwn(engine, name, wanted.Labels ?? {}, signal)
        return create()
      }),
    )
  } catch (error) {
    signal.throwIfAborted()
    if (hasStatus(error, 404) && /no such image|pull access denied|not found: manifest/i.test(engineMessage(error)))
      return refuse('image_not_found', { image: wanted.Image ?? '' })
    if (hasStatus(error, 400)) return refuse('input_invalid', { detail: engineMessage(error) })
    const fault = engineFault(error, { midWork: false })
    if (fault) return { ok: false, reason: fault }
    throw error
  }
}

async function removeOwn(
  engine: Engine,
  name: string,
  labels: Record<string, string>,
  signal: AbortSignal,
): Promise<void> {
  const container = engine.docker.getContainer(name)
  try {
    const found = (await within(callDeadlineMs, signal, () => container.inspect())).Config.Labels ?? {}
    const owner = (all: Record<string, string>) => [all[label.role], all[label.run], all[label.environment]]
    if (!found[label.role] || !isDeepStrictEqual(owner(found), owner(labels)))
      throw new Error(`a container named ${name} exists that is not ours`)
    await within(callDeadlineMs, signal, () => container.remove({ force: true, v: true }))
  } catch (error) {
    if (!hasStatus(error, 404)) throw error
  }
}
