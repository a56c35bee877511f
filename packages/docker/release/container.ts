import { createHash } from 'node:crypto'
import type { ReleaseOrder } from '@taxiway/domain/environment/release.ts'
import type { Work } from '@taxiway/domain/environment/work.ts'
import { done, type Outcome, oneLine, refuse } from '@taxiway/domain/reason.ts'
import {
  type ContainerView,
  inspectContainer,
  listContainers,
  removeContainer,
  startContainer,
} from '../container/release-container.ts'
import type { ReleaseSpec } from '../container/spec.ts'
import { type Engine, engineMessage, hasStatus } from '../engine/engine.ts'
import { label } from '../engine/labels.ts'
import { createRunNetwork } from '../engine/network.ts'
import { haveImage, type ImageSource } from './image.ts'
import type { Workload } from './pod.ts'
import type { Templates } from './state.ts'
import type { Plan } from './workload.ts'

/** One environment of one repository. */
export type Place = Pick<ReleaseOrder, 'repositoryId' | 'environment'>
type NamedPlace = Place & Pick<ReleaseOrder, 'repositoryName'>
/** One container that an order asks for. */
export interface Wanted {
  workload: Workload
  /** Derived, so that a repetition finds its own, and so does a release that changes nothing of it. */
  name: string
  template: string
}

const pidsLimit = 512
const slug = (text: string, limit: number) =>
  text
    .toLowerCase()
    .replace(/[^a-z0-9]+/g, '-')
    .replace(/^-+/, '')
    .slice(0, limit)
    .replace(/-+$/, '')

/** Key of an environment in the record. */
export const keyOf = ({ repositoryId, environment }: Place): string => `${repositoryId}/${environment}`
/** Labels of all that an environment has in the engine. */
export const labelsOf = ({ repositoryId, environment }: Place): Record<string, string> => ({
  [label.role]: 'release',
  [label.repository]: repositoryId,
  [label.environment]: environment,
})
/** Generation of the release that a container was made for; later ones may have taken it over. 0: none. */
export const generationOf = ({ labels }: ContainerView): number => Number(labels[label.generation] ?? 0)
/** Name of the workload that a container belongs to. */
export const workloadOf = ({ labels }: ContainerView): string | undefined => labels[label.step]
/** Is it one of those that these templates ask for? */
export const isOf = (container: ContainerView, templates: Templates): boolean =>
  container.labels[label.template] !== undefined &&
  templates[workloadOf(container) ?? ''] === container.labels[label.template]
/** All containers of an environment, whichever their generation and state. */
export const containersOf = (engine: Engine, place: Place, signal?: AbortSignal): Promise<ContainerView[]> =>
  listContainers(engine, labelsOf(place), signal)

/** The environment's network. The hash keeps apart what reads alike: equal names on two hosts, `a-b` + `c` and `a` + `b-c`. */
export function networkOf(place: NamedPlace): string {
  const hash = createHash('sha256').update(keyOf(place)).digest('hex').slice(0, 6)
  return `taxiway-${slug(place.repositoryName, 40)}-${slug(place.environment, 30)}-${hash}`
}

/** The containers that an order asks for, by its templates. */
export const wantedOf = (order: ReleaseOrder, { workloads }: Plan, templates: Templates): Wanted[] =>
  workloads
    .filter(({ wave }) => wave <= (order.upTo ?? wave))
    .flatMap((workload) => {
      const template = templates[workload.name] ?? `g${order.generation}`
      const name = `${networkOf(order)}-${workload.name}-${template}`
      return Array.from({ length: workload.replicas }, (_, index) => ({ workload, template, name: `${name}-${index}` }))
    })

/** Starts what does not run yet of an order, one after another. What can't be started is said, and left to the watch. */
export async function startAll(
  source: ImageSource,
  order: ReleaseOrder,
  plan: Plan,
  templates: Templates,
  work: Work,
): Promise<Outcome<void>> {
  const networked = await createRunNetwork(
    source.engine,
    { name: networkOf(order), labels: labelsOf(order) },
    work.signal,
  )
  if (!networked.ok) return networked
  for (const wanted of wantedOf(order, plan, templates)) {
    const started = await startOne(source, order, wanted, plan, work)
    if (!started.ok) return started
    if (started.value) work.say(`${wanted.workload.name}: ${started.value}`)
  }
  return done(undefined)
}

/**
 * Starts one container, or takes over the one that an earlier try or release made. Refuses with faults of the infrastructure; what is the
 * release's own fault is the value: `can't start: …`.
 */
export async function startOne(
  source: ImageSource,
  order: ReleaseOrder,
  wanted: Wanted,
  plan: Plan,
  work: Work,
): Promise<Outcome<string | undefined>> {
  const { engine } = source
  const { workload, name, template } = wanted
  const found = await inspectContainer(engine, name, work.signal)
  if (found?.labels[label.template] === template && ['running', 'restarting'].includes(found.state))
    return done(undefined)
  const image = await haveImage(source, workload, work)
  if (!image.ok && image.reason.code === 'image_not_found')
    return done(`image can't be pulled: ${workload.image} could not be found`)
  if (!image.ok) return image
  const secrets = await secretsOf(workload, work)
  if (!secrets.ok) return secrets
  if (found) await removeContainer(engine, found.id)
  try {
    const given = { ...workload, env: { ...workload.env, ...secrets.value } }
    const spec = specOf(order, { ...wanted, workload: given }, plan)
    const started = await startContainer(engine, spec, work.signal)
    if (started.ok) work.say(`started ${name}`)
    else if (started.reason.code === 'image_not_found' || started.reason.code === 'input_invalid')
      return done(`can't start: ${oneLine(started.reason.message, 300).replace(/\.$/, '')}`)
    return started.ok ? done(undefined) : started
  } catch (error) {
    work.signal.throwIfAborted()
    // The engine's words for a program, folder or user that the image does not have.
    if (hasStatus(error, 400, 404, 500)) return done(`can't start: ${oneLine(engineMessage(error), 300)}`)
    throw error
  }
}

/** What a workload holds of the repository's secrets, by variable. Refuses `secret_missing`. */
export async function secretsOf(
  { secrets }: Workload,
  { secretValues }: Work,
): Promise<Outcome<Record<string, string>>> {
  const entries = Object.entries(secrets)
  const values = entries.length > 0 ? ((await secretValues?.(Object.values(secrets))) ?? {}) : {}
  const missing = entries.find(([, key]) => !Object.hasOwn(values, key))
  if (missing) return refuse('secret_missing', { name: missing[1] })
  return done(Object.fromEntries(entries.map(([variable, key]) => [variable, values[key] as string])))
}

/** What the engine is told of a container; the workload has the values of its secrets in its variables. */
export const specOf = (order: ReleaseOrder, { workload, name, template }: Wanted, { services }: Plan): ReleaseSpec => ({
  name,
  network: networkOf(order),
  image: workload.image,
  ...(workload.command ? { command: workload.command } : {}),
  env: workload.env,
  ...(workload.workdir === undefined ? {} : { workdir: workload.workdir }),
  ...(workload.user === undefined ? {} : { user: workload.user }),
  labels: {
    ...labelsOf(order),
    [label.run]: order.runId,
    [label.generation]: String(order.generation),
    [label.step]: workload.name,
    [label.template]: template,
  },
  memoryMb: workload.memoryMb,
  cpus: workload.cpus,
  pids: pidsLimit,
  // Neighbours find it under the names of its services.
  aliases: [...new Set([workload.name, ...services.filter((s) => s.workload === workload.name).map((s) => s.service)])],
})
