import type { ReleaseJob, RenderedObject } from '@taxiway/domain/environment/release.ts'
import type { JobTurn } from '@taxiway/domain/run/parts.ts'
import { keys } from '@taxiway/kubernetes/object.ts'
import type { ChartHook } from '../programs/chart-hooks.ts'

type Json = Record<string, unknown>

/** How hooks are run as jobs. */
interface HookContext {
  /** A name that no other run's job has. */
  nameOf(when: JobTurn, name: string): string
  /** How long one may take that does not say so itself. */
  timeoutMs: number
}

/** Takes the hooks of a chart out of what was rendered: they run as jobs of the release, in their order. */
export function takeHooks(
  objects: readonly RenderedObject[],
  hooks: readonly ChartHook[],
  context: HookContext,
): { objects: RenderedObject[]; jobs: ReleaseJob[] } {
  const hookOf = ({ kind, metadata }: RenderedObject) =>
    kind === 'Job' ? hooks.find(({ name }) => name === metadata.name) : undefined
  const jobs = hooks.flatMap((hook) => {
    const object = objects.find((one) => hookOf(one) === hook)
    const needs = objects.filter(({ kind, metadata }) => hook.needs.includes(`${kind}/${metadata.name}`))
    return object ? hook.when.map((when) => ({ ...hookJob(object, hook, when, context), needs })) : []
  })
  return { objects: objects.filter((one) => hookOf(one) === undefined), jobs }
}

function hookJob(
  object: RenderedObject,
  { name, keeps }: ChartHook,
  when: JobTurn,
  { nameOf, timeoutMs }: HookContext,
): ReleaseJob {
  // When it goes is said by the hook: one that vanishes by itself could not be told from one that was deleted.
  const { ttlSecondsAfterFinished: _, ...spec } = Object(object.spec) as Json
  const template = Object(spec.template)
  const seconds = Number(spec.activeDeadlineSeconds) || Math.ceil(timeoutMs / 1000)
  const label = { [keys.job]: name.slice(0, 63).replace(/[^a-z0-9]+$/i, '') }
  const labelled = (metadata: Json) => ({ ...metadata, labels: { ...Object(metadata.labels), ...label } })
  return {
    name,
    when,
    keeps,
    timeoutMs: seconds * 1000,
    object: {
      ...object,
      metadata: { ...labelled(object.metadata), name: nameOf(when, name.slice(0, 50)) },
      spec: {
        ...spec,
        activeDeadlineSeconds: seconds,
        template: { ...template, metadata: labelled(Object(template.metadata)) },
      },
    },
  }
}
