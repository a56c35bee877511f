import { done, type Outcome, refuse } from '@taxiway/domain/reason.ts'
import { callDeadlineMs, type Engine, engineFault, engineMessage, hasStatus, within } from './engine.ts'
import { label } from './labels.ts'

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
  const order = {
    Name: spec.name,
    Driver: 'bridge',
    CheckDuplicate: true,
    Internal: spec.internal ?? false,
    Labels: spec.labels,
  }
  try {
    const network = await within(callDeadlineMs, signal, () => engine.docker.createNetwork(order))
    return done({ id: network.id })
  } catch (error) {
    signal?.throwIfAborted()
    if (hasStatus(error, 409)) return await adopt(engine, spec, signal)
    if (/non-overlapping|address pool/i.test(engineMessage(error)))
      return refuse('docker_unavailable', {
        detail: 'it has no free network addresses. Remove networks, or widen default-address-pools',
      })
    const reason = engineFault(error, { midWork: false })
    if (reason) return { ok: false, reason }
    throw error
  }
}

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
