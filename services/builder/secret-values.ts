import { done, type Outcome, refuse } from '@taxiway/domain/reason.ts'
import type { Run } from '@taxiway/domain/run/run.ts'
import type { Store } from '@taxiway/store/store.ts'

/** The values of these secrets of the run's repository, by name. Refuses `secret_missing` for the first that is not set; code that nobody approved gets none. */
export async function secretValues(
  store: Pick<Store, 'repositorySecrets'>,
  run: Pick<Run, 'repo' | 'trusted'>,
  names: readonly string[],
): Promise<Outcome<Record<string, string>>> {
  const values: Record<string, string> = {}
  for (const name of names) {
    if (run.trusted === false) return refuse('secret_missing', { name, untrusted: true })
    const value = await store.repositorySecrets.value(run.repo, name)
    if (value === undefined) return refuse('secret_missing', { name })
    values[name] = value
  }
  return done(values)
}
