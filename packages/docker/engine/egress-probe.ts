import { randomBytes } from 'node:crypto'
import { done, type Outcome } from '@taxiway/domain/reason.ts'
import { runContainer } from '../container/container.ts'
import { imageExists, pullImage } from '../image/image.ts'
import type { Engine } from './engine.ts'
import { objectName, workLabels } from './labels.ts'
import { createRunNetwork, removeNetwork } from './network.ts'

/** What containment is tried with. */
export const probeImage = 'busybox:stable'

/** Has the image of the probes in the engine. @returns false where it is not there and can't be pulled */
export async function ensureProbeImage(engine: Engine, signal: AbortSignal): Promise<boolean> {
  if (await imageExists(engine, probeImage, signal)) return true
  return (await pullImage(engine, probeImage, { signal, deadlineMs: 60_000 })).ok
}

/** What a try to connect to an address of the machine printed: whether it was kept from that, or undefined where that is not clear. */
export function isKeptAway(output: string): boolean | undefined {
  if (/refused|open/i.test(output)) return false
  return /no route|unreachable|timed out|prohibited/i.test(output) || undefined
}

/**
 * Tries, from a container on a network like those of tests, to reach the machine's own address. @returns whether it is kept
 * from that; undefined when that is not clear
 */
export async function probeEgress(engine: Engine, signal: AbortSignal): Promise<Outcome<boolean | undefined>> {
  const owner = { run: `probe-${randomBytes(6).toString('hex')}`, attempt: 1, step: 'egress', repository: '' }
  const name = objectName(owner)
  const network = await createRunNetwork(engine, { name, labels: workLabels(owner) }, signal)
  if (!network.ok) return network
  try {
    const { IPAM } = await engine.docker.getNetwork(network.value.id).inspect()
    const gateway: string = IPAM?.Config?.[0]?.Gateway ?? ''
    let output = ''
    const ran = await runContainer(engine, {
      name,
      image: probeImage,
      // Nobody listens on this port: an open way is told by a refusal, a closed one by no answer, or no route.
      command: ['nc', '-w', '2', gateway, '9'],
      labels: workLabels(owner),
      network: name,
      memoryMb: 16,
      cpus: 0.5,
      pids: 16,
      timeoutMs: 10_000,
      signal,
      onOutput: (chunk) => {
        output += chunk.toString()
      },
    })
    if (!ran.ok) return ran
    return done(ran.value.exitCode === 0 ? false : isKeptAway(output))
  } finally {
    await removeNetwork(engine, name).catch(() => undefined)
  }
}
