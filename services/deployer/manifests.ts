import { join } from 'node:path'
import { refOf } from '@taxiway/domain/origin.ts'
import { done, type Outcome, refuse } from '@taxiway/domain/reason.ts'
import { fetchCommit } from '@taxiway/git/mirror.ts'
import { listTree, parseRepoPath, readBlob } from '@taxiway/git/tree.ts'
import type { StageContext } from '@taxiway/store/stage.ts'
import { parseYaml } from '@taxiway/yaml/parse.ts'
import type { ReleaseDeps } from './deploy-release.ts'

const fetchMs = 5 * 60_000
const maxMb = 2048
const maxFiles = 100
const maxBytes = 256 * 1024

/** The YAML documents of the environment's manifests, as they are in the run's commit, in order of their file names. */
export async function readManifests(stage: StageContext, deps: ReleaseDeps): Promise<Outcome<unknown[]>> {
  const { run, signal } = stage
  const path = parseRepoPath(deps.environment.manifests)
  if (!path.ok) return path
  const repository = await deps.store.repositories.read(run.repo)
  if (!repository) return refuse('not_found', { what: 'repository' })
  const mirror = await fetchCommit({
    folder: join(deps.config.dataFolder, 'mirrors'),
    repositoryId: run.repo,
    url: repository.url,
    ...(deps.token ? { token: deps.token } : {}),
    sha: run.sha,
    ref: refOf(run),
    limits: { maxMb, deadlineMs: fetchMs },
    allowedOrigins: deps.config.allowedOrigins,
    signal,
  })
  if (!mirror.ok) return mirror
  const prefix = path.value === '.' ? '' : `${path.value}/`
  const files = (await listTree(mirror.value, run.sha, { signal }))
    .filter((file) => (file.startsWith(prefix) || file === path.value) && /\.ya?ml$/.test(file))
    .sort()
  if (files.length === 0 || files.length > maxFiles)
    return refuse('file_not_found', { path: `${path.value} (no manifest, or more than ${maxFiles})` })
  const documents: unknown[] = []
  for (const file of files) {
    const text = await readBlob(mirror.value, run.sha, file, { maxBytes, signal })
    if (!text.ok) return text
    const parsed = await parseYaml(text.value, {
      refusal: (detail) => refuse('manifest_invalid', { object: file, detail }),
      documents: 'many',
    })
    if (!parsed.ok) return parsed
    documents.push(...parsed.value.documents.map(({ value }) => value))
  }
  return done(documents)
}
