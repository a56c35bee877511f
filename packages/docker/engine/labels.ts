import { callDeadlineMs, type Engine, hasStatus, within } from './engine.ts'

/** The step of a run that an object was made for. */
export interface Owner {
  run: string
  attempt: number
  step: string
  /** owner/name */
  repository: string
}

/** Names of the labels on everything we make in an engine. `role` is `work` (a run's, swept) or `release` (never swept). */
export const label = {
  run: 'taxiway.run',
  attempt: 'taxiway.attempt',
  step: 'taxiway.step',
  repository: 'taxiway.repository',
  installation: 'taxiway.installation',
  role: 'taxiway.role',
  environment: 'taxiway.environment',
  generation: 'taxiway.generation',
  template: 'taxiway.template',
} as const

/** Labels of what a run needs only while it works. */
export const workLabels = (owner: Owner): Record<string, string> => ({
  [label.run]: owner.run,
  [label.attempt]: String(owner.attempt),
  [label.step]: owner.step,
  [label.repository]: owner.repository,
  [label.role]: 'work',
})

/** What marks every container, network and volume that this Taxiway made for a run. */
export const workMark = ({ installation }: Pick<Engine, 'installation'>): Record<string, string> => ({
  [label.role]: 'work',
  ...(installation ? { [label.installation]: installation } : {}),
})

/** The derived name of a container or network: the same step of the same attempt always has the same one. */
export const objectName = ({ run, attempt, step }: Pick<Owner, 'run' | 'attempt' | 'step'>): string =>
  `taxiway-${run}-${attempt}-${step.toLowerCase().replace(/[^a-z0-9_.-]+/g, '-')}`

const workRepository = 'taxiway-work'

/**
 * The local name of an image that a run built. Such images are known by name and carry no label of ours: labels would be
 * inherited by every container made from the image, anywhere, and would give each run another digest.
 */
export const workImage = (
  { installation }: Pick<Engine, 'installation'>,
  { run, attempt, step }: Pick<Owner, 'run' | 'attempt' | 'step'>,
): string =>
  `${workRepository}/${installation ? `${installation}.` : ''}${run}:${attempt}-${step.toLowerCase().replace(/[^a-z0-9_.-]+/g, '-')}`

/** The run whose build made a local image, from any way of writing the image's name; undefined for all other images. */
export const runOfImage = (name: string): string | undefined =>
  new RegExp(`^(?:docker\\.io/)?${workRepository}/(?:[0-9a-f]+\\.)?([^:@/]+)`).exec(name)?.[1]

/** What a sweep removed. */
export interface Swept {
  containers: number
  networks: number
  volumes: number
  images: number
}
/** Is this attempt still at work; without one: is the run, at whichever attempt? */
type Keep = (run: string, attempt?: number) => boolean | Promise<boolean>

/**
 * Removes the containers, networks and volumes of attempts that are not kept, and the local image names of runs that are not: a
 * later attempt goes on with the images of an earlier one. Only what has both our work labels and our derived name goes. Running
 * it twice changes nothing; what is in use or being removed is left to the next time.
 */
export async function sweep(engine: Engine, { keep, signal }: { keep: Keep; signal?: AbortSignal }): Promise<Swept> {
  return removeWork(engine, [], keep, signal)
}

/** Removes all that a run has in the engine, of whichever attempt. */
export const removeRun = (engine: Engine, run: string, signal?: AbortSignal): Promise<Swept> =>
  removeWork(engine, [`${label.run}=${run}`], (other) => other !== run, signal)

async function removeWork(engine: Engine, labels: string[], keep: Keep, signal?: AbortSignal): Promise<Swept> {
  const { docker } = engine
  const swept: Swept = { containers: 0, networks: 0, volumes: 0, images: 0 }
  const ours = Object.entries(workMark(engine)).map(([name, value]) => `${name}=${value}`)
  const filters = { label: [...ours, ...labels] }
  const call = <T>(work: () => Promise<T>) => within(callDeadlineMs, signal, work)
  const isOver = async (found: Record<string, string> | undefined | null, names: string[]) => {
    const owner = ownerOf(found)
    return owner !== undefined && names.includes(objectName(owner)) && !(await keep(owner.run, owner.attempt))
  }
  for (const container of await call(() => docker.listContainers({ all: true, filters })))
    if (
      await isOver(
        container.Labels,
        container.Names.map((name) => name.replace(/^\//, '')),
      )
    )
      swept.containers += await removed(call, () => docker.getContainer(container.Id).remove({ force: true, v: true }))
  for (const network of await call(() => docker.listNetworks({ filters })))
    if (await isOver(network.Labels, [network.Name]))
      swept.networks += await removed(call, () => docker.getNetwork(network.Id).remove())
  for (const volume of (await call(() => docker.listVolumes({ filters }))).Volumes ?? [])
    if (await isOver(volume.Labels, [volume.Name]))
      swept.volumes += await removed(call, () => docker.getVolume(volume.Name).remove())
  for (const name of await workImageNames(engine, call)) {
    const run = runOfImage(name)
    if (run && !(await keep(run))) swept.images += await removed(call, () => docker.getImage(name).remove())
  }
  return swept
}

type Call = <T>(work: () => Promise<T>) => Promise<T>

async function workImageNames(engine: Engine, call: Call): Promise<string[]> {
  const prefix = `${workRepository}/${engine.installation ? `${engine.installation}.` : ''}`
  const images = await call(() => engine.docker.listImages({ filters: { reference: [`${prefix}*`] } }))
  return images.flatMap((image) => image.RepoTags ?? []).filter((name) => name.startsWith(prefix))
}

function ownerOf(labels: Record<string, string> | undefined | null): Omit<Owner, 'repository'> | undefined {
  const run = labels?.[label.run]
  const attempt = Number(labels?.[label.attempt])
  const step = labels?.[label.step]
  if (run === undefined || step === undefined || !Number.isInteger(attempt)) return undefined
  return labels?.[label.role] === 'work' ? { run, attempt, step } : undefined
}

/** 1 when removed; 0 when it is gone, in use, or being removed already. */
async function removed(call: Call, work: () => Promise<unknown>): Promise<number> {
  try {
    await call(work)
    return 1
  } catch (error) {
    if (hasStatus(error, 403, 404, 409)) return 0
    throw error
  }
}
