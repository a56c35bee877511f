import { createHash } from 'node:crypto'
import { withConfigNames } from '../config-names.ts'
import { besideLabel, type ClusterRelease, type KubeObject, placeLabels, selectorOf } from '../object.ts'

/** What stands beside the objects of a release while it takes over: a label says that, annotations what they are of. */
export const besideKeys = {
  /** Label: `canary`, `green` or `check`. */
  beside: besideLabel,
  /** Name of the Deployment that it stands beside. */
  of: 'taxiway.dev/beside-of',
  /** How many pods that Deployment had when the first step began. */
  before: 'taxiway.dev/replicas-before',
  /** The last step that was reached: pods ready, and as many as it says. */
  step: 'taxiway.dev/step',
} as const
export type BesideKind = 'canary' | 'green'

/** Kinds that pods refer to by name, and that old pods would see change: each fresh pod has a copy of its own. */
const copied = ['ConfigMap', 'Secret']
const longestName = 63

type Json = Record<string, unknown>

/** Label selector of all that stands beside the objects of an environment. */
export const besideSelector = (release: Pick<ClusterRelease, 'repositoryId' | 'environment'>): string =>
  `${selectorOf(release)},${besideKeys.beside}`
export const besideOf = (object: KubeObject): string => object.metadata.annotations?.[besideKeys.of] ?? ''
/** How many pods the Deployment beside had before, and which step was reached. */
export const besideCount = (object: KubeObject, key: 'before' | 'step'): number =>
  Number(object.metadata.annotations?.[besideKeys[key]]) || 0

/** A name derived from another: the same every time, and no longer than a label. */
export function besideName(name: string, kind: BesideKind): string {
  const plain = `${name}-${kind}`
  if (plain.length <= longestName) return plain
  const hash = createHash('sha256').update(name).digest('hex').slice(0, 6)
  return `${name.slice(0, longestName - hash.length - kind.length - 2)}-${hash}-${kind}`
}

/** The release's ConfigMaps (and Secrets) under names of their own, so that old pods keep seeing theirs. */
export const besideConfigs = (release: ClusterRelease, kind: BesideKind): KubeObject[] =>
  release.objects
    .filter((object) => copied.includes(object.kind))
    .map((object) =>
      marked({ ...object, metadata: { ...object.metadata, name: besideName(object.metadata.name, kind) } }, kind),
    )

/**
 * A Deployment of the release once more, under a name of its own: its pods have the labels that Services select, and one
 * more by which they are told apart; they refer to the copies of the release's ConfigMaps.
 */
export function besideDeployment(
  release: ClusterRelease,
  source: KubeObject,
  { kind, replicas, before, step }: { kind: BesideKind; replicas: number; before: number; step: number },
): KubeObject {
  const object = marked(structuredClone(source), kind)
  const mark = { [besideKeys.beside]: kind }
  const spec = object.spec as { selector?: { matchLabels?: Json }; template?: { metadata?: Json; spec?: Json } } & Json
  const template = spec.template ?? {}
  const names = new Set(
    release.objects.filter((one) => copied.includes(one.kind)).map((one) => `${one.kind}/${one.metadata.name}`),
  )
  const rename = (of: string, name: string) => (names.has(`${of}/${name}`) ? besideName(name, kind) : name)
  return {
    ...object,
    metadata: {
      ...object.metadata,
      name: besideName(source.metadata.name, kind),
      annotations: {
        ...object.metadata.annotations,
        [besideKeys.of]: source.metadata.name,
        [besideKeys.before]: String(before),
        [besideKeys.step]: String(step),
      },
    },
    spec: {
      ...spec,
      replicas,
      selector: { ...spec.selector, matchLabels: { ...spec.selector?.matchLabels, ...mark } },
      template: {
        ...template,
        metadata: {
          ...template.metadata,
          labels: { ...(template.metadata?.labels as Json), ...placeLabels(release), ...mark },
          annotations: { ...(template.metadata?.annotations as Json), [besideKeys.of]: source.metadata.name },
        },
        spec: withConfigNames(template.spec ?? {}, rename),
      },
    },
  }
}

const marked = (object: KubeObject, kind: BesideKind): KubeObject => ({
  ...object,
  metadata: { ...object.metadata, labels: { ...object.metadata.labels, [besideKeys.beside]: kind } },
})
