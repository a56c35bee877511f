import type { PlannedImage } from '@taxiway/domain/plan/images.ts'
import { secretArgumentWarning, secretLikeArguments } from '@taxiway/domain/secrets/arguments.ts'
import type { Store } from '@taxiway/store/store.ts'
import type { StageContext } from '@taxiway/worker/stage.ts'

/** Tells of build arguments that are named like a secret, or as one of the repository's. */
export async function warnOfArguments(
  { run, log }: StageContext,
  store: Pick<Store, 'repositorySecrets'>,
  { name, args, secrets = [] }: PlannedImage,
): Promise<void> {
  if (Object.keys(args).length === 0) return
  const known = await store.repositorySecrets.names(run.repo)
  const names = [...secrets, ...known.map((secret) => secret.name)]
  for (const argument of secretLikeArguments(args, names)) log.say(secretArgumentWarning(name, argument))
}
