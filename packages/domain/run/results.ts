import type { RunEvent } from './event.ts'
import type { ReleaseState, RunImage, RunJob, RunRelease } from './parts.ts'
import type { Run } from './run.ts'

/** The list with the item in the place of the one of the same key, else at its end. */
export function changed<T>(list: T[] = [], item: T, keyOf: (item: T) => string): T[] {
  const isKnown = list.some((known) => keyOf(known) === keyOf(item))
  return isKnown ? list.map((known) => (keyOf(known) === keyOf(item) ? item : known)) : [...list, item]
}

/** In the order of the plan, whichever was built first. */
const imageOf = (run: Run, name: string): RunImage => {
  const known = run.images.find((image) => image.name === name)
  if (known) return known
  const image: RunImage = { name }
  const order = run.plan?.images.map((planned) => planned.name) ?? []
  run.images = [...run.images, image].sort((one, other) => order.indexOf(one.name) - order.indexOf(other.name))
  return image
}

/** Another image than before has not been published yet. */
export function noteBuilt(run: Run, event: Extract<RunEvent, { type: 'image_built' }>): Run {
  const { imageId, reusedFrom, reusedRun, bases } = event
  const known = imageOf(run, event.image)
  const same = known.imageId === imageId ? known : { name: known.name }
  const built: RunImage = {
    ...same,
    imageId,
    ...(reusedFrom ? { reusedFrom } : {}),
    ...(reusedRun ? { reusedRun } : {}),
    ...(bases ? { bases } : {}),
  }
  run.images[run.images.indexOf(known)] = built
  return run
}

export function notePublished(run: Run, event: Extract<RunEvent, { type: 'image_published' }>): Run {
  const { digest, reference, provenance, user } = event
  const more = { ...(provenance ? { provenance } : {}), ...(user === undefined ? {} : { user }) }
  Object.assign(imageOf(run, event.image), { digest, reference, ...more })
  return run
}

export const changeJob = (run: Run, job: RunJob): Run => ({
  ...run,
  jobs: changed(run.jobs, job, ({ environment, when, name }) => `${environment} ${when} ${name}`),
})

/** A later release of the run takes the place of one that its attempt left in the middle. */
export function changeRelease(run: Run, event: Extract<RunEvent, { type: 'release_changed' }>): Run {
  const { type: _, ...release } = event
  const others = run.releases.filter(
    (known) => known.generation !== event.generation || known.environment !== event.environment,
  )
  const isOverCome = ({ environment, generation, state }: RunRelease) =>
    environment === event.environment && generation < event.generation && state === 'applying'
  run.releases = [...others.map((one) => (isOverCome(one) ? endRelease(one, 'superseded') : one)), release]
  return run
}

/** No attempt goes on with what a lost one left in the middle. */
export function endReleases(run: Run): void {
  const state = run.state === 'superseded' ? 'superseded' : 'failed'
  run.releases = run.releases.map((one) =>
    one.state === 'applying' || one.state === 'restoring' ? endRelease(one, state) : one,
  )
}

function endRelease({ progress: _, ...release }: RunRelease, state: ReleaseState): RunRelease {
  return { ...release, state }
}
