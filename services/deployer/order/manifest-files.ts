import { dirname } from 'node:path'
import { done, type Outcome, refuse } from '@taxiway/domain/reason.ts'
import { kustomizationNames } from '../programs/kustomization.ts'

/** Which files of a commit are read as manifests. */
export interface ManifestFiles {
  files: string[]
  /** What looks like a manifest and is not taken. */
  left: string[]
}
const mostFiles = 1000
/** So many are named in a sentence. */
const mostNamed = 5

/**
 * The manifests below a folder (or the one file) among all paths of a commit, in order of their names: what ends in `.yaml`, `.yml` or
 * `.json`, as for kubectl, in folders below too; but nothing whose name, or folder, begins with a dot. Refuses a kustomization or a
 * chart in it, which needs a program.
 */
export function chooseFiles(all: readonly string[], path: string): Outcome<ManifestFiles> {
  const prefix = path === '.' ? '' : `${path}/`
  const inside = all.filter((file) => file === path || file.startsWith(prefix)).sort()
  const named = (file: string) => file.split('/').at(-1) ?? file
  const isHidden = (file: string) => file !== path && /(^|\/)\./.test(file.slice(prefix.length))
  const shown = inside.filter((file) => !isHidden(file))
  const refusal = (object: string, detail: string) => refuse('manifest_invalid', { object, detail })
  const built = (names: readonly string[]) => shown.filter((file) => names.includes(named(file)))
  const kustomizations = built(kustomizationNames)
  if (kustomizations[0] !== undefined)
    return refusal(
      kustomizations[0],
      `it is a kustomization; folders below are read too, so name the one to be built as manifests: ${some(kustomizations.map(dirname))}`,
    )
  const charts = built(['Chart.yaml']).map(dirname)
  if (charts[0] !== undefined)
    return refusal(
      charts[0],
      `it is a Helm chart; folders below are read too, so name the chart as manifests: ${some(charts)}`,
    )
  const files = shown.filter((file) => /\.(ya?ml|json)$/.test(file))
  const left = inside.filter((file) => !files.includes(file) && /\.(ya?ml|json)\b/i.test(named(file)))
  if (files.length > mostFiles)
    return refusal(path, `it has ${files.length} manifests, and at most ${mostFiles} are read`)
  if (files.length > 0) return done({ files, left })
  if (inside.length === 0) return refuse('file_not_found', { path })
  return refusal(
    path,
    `it has no manifest (a file that ends in .yaml, .yml or .json)${left.length > 0 ? `, only ${some(left)}` : ''}`,
  )
}

/** The first of them, and how many more there are. */
export const some = (names: readonly string[]): string =>
  names.length > mostNamed
    ? `${names.slice(0, mostNamed).join(', ')} and ${names.length - mostNamed} more`
    : names.join(', ')
