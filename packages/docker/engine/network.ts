import { createHash } from 'node:crypto'
import { readFile } from 'node:fs/promises'
import { done, type Outcome, refuse } from '@taxiway/domain/reason.ts'
import type { NetworkCreateOptions } from 'dockerode'
import { bridgePrefix } from './egress.ts'
import { callDeadlineMs, type Engine, engineFault, engineMessage, hasStatus, within } from './engine.ts'
import { label, workMark } from './labels.ts'
import { firstOf, freePart, parseRange, type Range, routedRanges } from './subnet.ts'

/** A network to be made: its name is derived, see objectName. */
export interface NetworkSpec {
  name: string
  labels: Record<string, string>
  /** Without a way out. */
  internal?: boolean
}

/** Makes a bridge network of its own and returns its id. One of that name with our run's label is taken as it is. */
export async function createRunNetwork(
  engine: Engine,
  spec: NetworkSpec,
  signal?: AbortSignal,
): Promise<Outcome<{ id: string }>> {
  try {
    for (let tries = 1; ; tries++) {
      const made = await make(engine, await orderOf(engine, spec, tries, signal), tries < mostTries, signal)
      if (made) return done(made)
    }
  } catch (error) {
    signal?.throwIfAborted()
    if (hasStatus(error, 409)) return await adopt(engine, spec, signal)
    if (/non-overlapping|address pool|pool overlaps/i.test(engineMessage(error)))
      return refuse('docker_unavailable', {
        detail: 'it has no free network addresses. Remove networks, or widen default-address-pools',
      })
    const reason = engineFault(error, { midWork: false })
    if (reason) return { ok: false, reason }
    throw error
  }
}

/** Others take addresses from the same pool at the same time. */
const mostTries = 20

/** Undefined when somebody else was quicker to take the addresses. */
async function make(
  engine: Engine,
  order: NetworkCreateOptions,
  mayRepeat: boolean,
  signal?: AbortSignal,
): Promise<{ id: string } | undefined> {
  try {
    return { id: (await within(callDeadlineMs, signal, () => engine.docker.createNetwork(order))).id }
  } catch (error) {
    signal?.throwIfAborted()
    if (mayRepeat && order.IPAM && /pool overlaps/i.test(engineMessage(error))) return undefined
    throw error
  }
}

/** Networks for strangers' code have addresses from one pool and a bridge whose name the firewall knows: see egress.ts. */
async function orderOf(
  engine: Engine,
  spec: NetworkSpec,
  tries: number,
  signal?: AbortSignal,
): Promise<NetworkCreateOptions> {
  const isWork = spec.labels[label.role] === 'work'
  const isClosed = isWork && engine.work?.egress === 'none'
  const order = {
    Name: spec.name,
    Driver: 'bridge',
    CheckDuplicate: true,
    Internal: spec.internal ?? isClosed,
    Labels: { ...spec.labels, ...(isWork ? workMark(engine) : {}) },
  }
  const pool = isWork ? parseRange(engine.work?.subnet ?? '') : undefined
  if (!engine.work || !pool) return order
  const hash = createHash('sha256').update(spec.name).digest()
  const found = await within(callDeadlineMs, signal, () => engine.docker.listNetworks())
  const taken = found.flatMap(({ IPAM }) =>
    (IPAM?.Config ?? []).flatMap(({ Subnet }): Range[] => {
      const range = parseRange(Subnet ?? '')
      return range ? [range] : []
    }),
  )
  const subnet = freePart(pool, [...taken, ...(await routesOfMachine())], hash.readUInt32BE(0) + tries)
  // A pool that is used up: addresses of the engine's choice, behind the same rules.
  const addresses = subnet
    ? { IPAM: { Driver: 'default', Config: [{ Subnet: subnet, Gateway: firstOf(subnet) }] } }
    : {}
  const bridge = `${bridgePrefix[engine.work.egress]}${hash.toString('hex').slice(0, 10)}`
  return { ...order, ...addresses, Options: { 'com.docker.network.bridge.name': bridge } }
}

/**
 * What this machine itself reaches by other ways: a private network, or what an engine that died left behind. Containers on the same addresses would not hear
 * each other, as the machine sends their answers there. An engine elsewhere is not known so.
 */
const routesOfMachine = async (): Promise<Range[]> =>
  routedRanges(await readFile('/proc/net/route', 'latin1').catch(() => ''))

async function adopt(engine: Engine, spec: NetworkSpec, signal?: AbortSignal): Promise<Outcome<{ id: string }>> {
  const found = await within(callDeadlineMs, signal, () => engine.docker.getNetwork(spec.name).inspect())
  const isOurs = [label.role, label.run, label.environment].every((name) => found.Labels?.[name] === spec.labels[name])
  if (!isOurs) throw new Error(`a network named ${spec.name} exists that is not ours`)
  return done({ id: found.Id })
}

/** Removes a network, and takes off whatever still hangs on it. Gone is success. */
export async function removeNetwork(engine: Engine, name: string): Promise<void> {
  const network = engine.docker.getNetwork(name)
  try {
    const { Containers } = await within(callDeadlineMs, undefined, () => network.inspect())
    for (const id of Object.keys(Containers ?? {}))
      await within(callDeadlineMs, undefined, () => network.disconnect({ Container: id, Force: true })).catch(
        () => undefined,
      )
    await within(callDeadlineMs, undefined, () => network.remove())
  } catch (error) {
    if (!hasStatus(error, 404)) throw error
  }
}

/** Ids of the networks that have all of these labels. */
export async function networksWith(
  engine: Engine,
  labels: Record<string, string>,
  signal?: AbortSignal,
): Promise<string[]> {
  const filters = { label: Object.entries(labels).map(([name, value]) => `${name}=${value}`) }
  return (await within(callDeadlineMs, signal, () => engine.docker.listNetworks({ filters }))).map(({ Id }) => Id)
}
