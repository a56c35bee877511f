import { parseRepositoryId, parseRunId, type RepositoryId } from '@taxiway/domain/ids.ts'
import { done, type Outcome, refuse } from '@taxiway/domain/reason.ts'
import type { Repository } from '@taxiway/domain/repository.ts'
import type { Run } from '@taxiway/domain/run/run.ts'
import type { Store } from '@taxiway/store/store.ts'

/** The run of that id; of this repository, where one is given. */
export async function findRun({ runs }: Store, id: string, repo?: RepositoryId): Promise<Outcome<Run>> {
  const known = parseRunId(id)
  const run = known && (await runs.read(known))
  return run && (repo === undefined || run.repo === repo) ? done(run) : refuse('not_found', { what: 'run' })
}

/** The repository of that id. */
export async function findRepository({ repositories }: Store, id: string): Promise<Outcome<Repository>> {
  const known = parseRepositoryId(id)
  const repository = known && (await repositories.read(known))
  return repository ? done(repository) : refuse('not_found', { what: 'repository' })
}

/** The repository that has such an environment, by a release or a rule. */
export async function findEnvironment(store: Store, id: string, name: string): Promise<Outcome<Repository>> {
  const repository = await findRepository(store, id)
  if (!repository.ok) return repository
  const names = await store.environments.names(repository.value.id)
  return names.includes(name) ? repository : refuse('not_found', { what: 'environment' })
}
