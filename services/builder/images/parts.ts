import type { Engine } from '@taxiway/docker/engine/engine.ts'
import { workImage } from '@taxiway/docker/engine/labels.ts'
import type { PlannedImage } from '@taxiway/domain/plan/images.ts'
import type { Run } from '@taxiway/domain/run/run.ts'

/** The name that an image of the run has in the engine while the run works. */
export const localName = (engine: Engine, { id, attempt }: Pick<Run, 'id' | 'attempt'>, step: string): string =>
  workImage(engine, { run: id, attempt, step })

/** The build arguments that stand for other images of the run. */
export const baseArguments = (engine: Engine, run: Run, { from = {} }: PlannedImage): Record<string, string> =>
  Object.fromEntries(Object.entries(from).map(([argument, base]) => [argument, localName(engine, run, base)]))

const origin = 'org.opencontainers.image'
/** The labels that differ from run to run. */
export const originLabels = ['revision', 'created', 'url'].map((name) => `${origin}.${name}`)

/**
 * The labels of an image: the pipeline's own, and what it was built from (OCI image specification, "Pre-Defined Annotation
 * Keys"), which no pipeline can change. All are the same for each attempt of a run. Being the last of a build, they leave its cache alone.
 */
export const labelsOf = (
  { labels = {} }: PlannedImage,
  { run, source, url }: { run: Run; source: string; url: string },
): Record<string, string> => ({
  ...labels,
  [`${origin}.source`]: source,
  [`${origin}.revision`]: run.sha,
  [`${origin}.created`]: run.createdAt,
  [`${origin}.url`]: `${url}/runs/${run.id}`,
})
