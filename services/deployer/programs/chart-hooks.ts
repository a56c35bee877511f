import type { JobTurn } from '@taxiway/domain/run/parts.ts'
import { type Manifest, titleOf } from './manifest.ts'

type Json = Record<string, unknown>

/** What Helm would do with the documents of a chart at this release. */
export interface ChartParts {
  /** What is given to the environment, and the Jobs that hooks are. */
  manifests: Manifest[]
  /** Which of them are hooks, in their order. */
  hooks: ChartHook[]
  /** Hooks whose time is another one, for the log. */
  told: string[]
  /** What is never done here, for people. */
  left: string[]
}

/** A Job of a chart that runs for a release, in the place of a hook. */
export interface ChartHook {
  name: string
  when: JobTurn[]
  /** Ended so it stays until the next one. */
  keeps: ('passed' | 'failed')[]
  /** What must be there before it runs: `Kind/name` of hooks that are no jobs. */
  needs: string[]
}

/** When a hook runs as a job of the release. */
const turns: Readonly<Record<string, JobTurn>> = {
  'pre-install': 'before',
  'pre-upgrade': 'before',
  'post-install': 'after_live',
  'post-upgrade': 'after_live',
}

const isCrd = ({ value }: Manifest): boolean => Object(value).kind === 'CustomResourceDefinition'
const annotationsOf = ({ value }: Manifest): Json => Object(Object(Object(value).metadata).annotations)

/** `pre-install,post-upgrade` in its parts; undefined for what is no hook. https://helm.sh/docs/topics/charts_hooks/ */
const hooksOf = (manifest: Manifest): string[] | undefined => wordsOf(manifest, 'helm.sh/hook')
function wordsOf(manifest: Manifest, annotation: string): string[] | undefined {
  const said = annotationsOf(manifest)[annotation]
  return typeof said === 'string' ? said.split(',').map((word) => word.trim().toLowerCase()) : undefined
}

/**
 * Hooks that are due become jobs, by their weights: at the first release of an environment those of an installation, later those of
 * an upgrade. What is in `crds/` belongs to the whole cluster and is left out; `knows` tells whether the cluster has it.
 */
export function chartParts(
  documents: readonly Manifest[],
  { isUpgrade, knows }: { isUpgrade: boolean; knows: (kind: string) => boolean },
): ChartParts {
  const parts: ChartParts = { manifests: [], hooks: [], told: [], left: [] }
  const due: Manifest[] = []
  for (const manifest of documents) {
    const hooks = hooksOf(manifest)
    if (isCrd(manifest) && (/(^|\/)crds\//.test(manifest.file) || hooks?.includes('crd-install'))) {
      if (!crdKinds(manifest).every(knows))
        parts.left.push(`${titleOf(manifest)}, which an admin installs in the cluster`)
    } else if (hooks === undefined) parts.manifests.push(manifest)
    else if (hooks.some((hook) => isDue(hook, isUpgrade))) due.push(manifest)
    else if (hooks.some((hook) => hook in turns))
      parts.told.push(`hook ${titleOf(manifest)} (${hooks.join(', ')}) is not due at this release`)
    else if (hooks.every((hook) => /^test(-success|-failure)?$/.test(hook)))
      parts.told.push(`hook ${titleOf(manifest)} (${hooks.join(', ')}) is for helm test, and no part of a release`)
    else parts.left.push(`${titleOf(manifest)} (${hooks.join(', ')})`)
  }
  const weight = (manifest: Manifest) => Number(annotationsOf(manifest)['helm.sh/hook-weight'] ?? 0) || 0
  due.sort((a, b) => weight(a) - weight(b) || (titleOf(a) < titleOf(b) ? -1 : 1))
  const given = due.map(asJob)
  const early = given.filter((one) => !isJob(one) && turnsOf(one, isUpgrade).includes('before')).map(titleOf)
  parts.manifests.push(...given)
  for (const one of given)
    if (isJob(one))
      parts.hooks.push({ ...hookOf(one, isUpgrade), needs: turnsOf(one, isUpgrade).includes('before') ? early : [] })
  return parts
}

const isDue = (hook: string, isUpgrade: boolean): boolean =>
  hook in turns && hook.endsWith(isUpgrade ? '-upgrade' : '-install')
const isJob = ({ value }: Manifest): boolean => Object(value).kind === 'Job'

/** `example.com/v1/Thing` of each version that is served. */
function crdKinds({ value }: Manifest): string[] {
  const { group, names, versions } = Object(Object(value).spec)
  return [versions ?? []].flat().map((version) => `${group}/${Object(version).name}/${Object(names).kind}`)
}

const turnsOf = (manifest: Manifest, isUpgrade: boolean): JobTurn[] => [
  ...new Set((hooksOf(manifest) ?? []).filter((hook) => isDue(hook, isUpgrade)).flatMap((hook) => turns[hook] ?? [])),
]

function hookOf(job: Manifest, isUpgrade: boolean): Omit<ChartHook, 'needs'> {
  const removed = wordsOf(job, 'helm.sh/hook-delete-policy') ?? []
  return {
    name: String(Object(Object(job.value).metadata).name),
    when: turnsOf(job, isUpgrade),
    keeps: [
      ...(removed.includes('hook-succeeded') ? [] : ['passed' as const]),
      ...(removed.includes('hook-failed') ? [] : ['failed' as const]),
    ],
  }
}

/** A Pod as a Job that is tried once; anything else as it is. */
function asJob(manifest: Manifest): Manifest {
  const value = Object(manifest.value)
  if (value.kind !== 'Pod') return manifest
  const { labels } = Object(value.metadata)
  const template = {
    ...(labels ? { metadata: { labels } } : {}),
    spec: { restartPolicy: 'Never', ...Object(value.spec) },
  }
  const spec = { backoffLimit: 0, template }
  return { ...manifest, value: { apiVersion: 'batch/v1', kind: 'Job', metadata: value.metadata, spec } }
}
