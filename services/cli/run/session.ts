import { randomBytes } from 'node:crypto'
import { listContainers, removeContainer } from '@taxiway/docker/container/release-container.ts'
import { callDeadlineMs, type Engine, within } from '@taxiway/docker/engine/engine.ts'
import { label } from '@taxiway/docker/engine/labels.ts'
import { createRunNetwork, removeNetwork } from '@taxiway/docker/engine/network.ts'
import { removeImage } from '@taxiway/docker/image/image.ts'
import type { Outcome } from '@taxiway/domain/reason.ts'
import type { Screen } from '../screen.ts'
import type { WorkingTree } from '../working-tree.ts'

/** One local run: the engine it works on, and the names and labels of all that it makes there. */
export interface Session {
  id: string
  tree: WorkingTree
  engine: Engine
  screen: Screen
  /** Aborted by Ctrl-C. */
  signal: AbortSignal
  /** Processors that a container may use: the engine takes no more than it has. */
  cpus: number
  /** A name for a container or network. It is not one that builders derive, so a builder on this engine leaves it alone. */
  name(step: string): string
  /** The local name of an image built here. */
  imageName(image: string): string
  labels(step: string): Record<string, string>
  network(name: string): Promise<Outcome<{ id: string }>>
  /** Removes all that the run made, also what an abort left half made. */
  cleanUp(): Promise<void>
}

/** Begins a local run. */
export async function beginSession(deps: Pick<Session, 'tree' | 'engine' | 'screen' | 'signal'>): Promise<Session> {
  const { engine, signal } = deps
  const id = `local-${randomBytes(5).toString('hex')}`
  const networks = new Set<string>()
  const images = new Set<string>()
  const info = await within(callDeadlineMs, signal, () => engine.docker.info() as Promise<{ NCPU?: number }>)
  const word = (step: string) => step.toLowerCase().replace(/[^a-z0-9_.-]+/g, '-')
  const labels = (step: string) => ({ [label.run]: id, [label.attempt]: '1', [label.step]: step, [label.role]: 'work' })
  return {
    ...deps,
    id,
    labels,
    cpus: Math.min(2, info.NCPU ?? 1),
    name: (step) => `taxiway-${id}-${word(step)}`,
    imageName(image) {
      const name = `taxiway-run/${word(image)}:${id}`
      images.add(name)
      return name
    },
    async network(name) {
      networks.add(name)
      return createRunNetwork(engine, { name, labels: labels('network') }, signal)
    },
    async cleanUp() {
      for (const container of await listContainers(engine, { [label.run]: id }))
        await removeContainer(engine, container.id)
      for (const network of networks) await removeNetwork(engine, network)
      for (const image of images) await removeImage(engine, image)
    },
  }
}

/** The image in the engine that a name of the plan stands for. */
export const builtOr = (built: ReadonlyMap<string, string>, image: string): string => built.get(image) ?? image

/** Values of the named secrets from the environment; what is missing there is said and left out. */
export function secretsOf(session: Session, names: string[] | undefined): Record<string, string> {
  const found = (names ?? []).flatMap((name) => {
    const value = process.env[name]
    if (value === undefined) session.screen.note(`secret ${name} is not in the environment, so it is left out`)
    return value === undefined ? [] : [[name, value] as const]
  })
  return Object.fromEntries(found)
}
