import type { RunEvent } from './event.ts'
import type { RunImage, RunJob } from './parts.ts'
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

export function changeRelease(run: Run, event: Extract<RunEvent, { type: 'release_changed' }>): Run {
  const { type: _, ...release } = event
  run.releases = [
    ...run.releases.filter((known) => known.generation !== event.generation || known.environment !== event.environment),
    release,
  ]
  return run
}
