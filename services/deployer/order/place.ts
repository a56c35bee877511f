import { readFile } from 'node:fs/promises'
import type { EnvironmentRules } from '@taxiway/domain/environment/environment.ts'
import { decidePlace, type PlannedPlace } from '@taxiway/domain/environment/place.ts'
import type { Target } from '@taxiway/domain/environment/target.ts'
import type { Work } from '@taxiway/domain/environment/work.ts'
import type { RepositoryId } from '@taxiway/domain/ids.ts'
import type { PlannedEnvironment } from '@taxiway/domain/plan/environment.ts'
import { ruledAs } from '@taxiway/domain/plan/preview.ts'
import { done, type Outcome, refuse } from '@taxiway/domain/reason.ts'
import type { Store } from '@taxiway/store/store.ts'
import type { DeployerDeps } from '../roll-out.ts'
import type { Targets } from '../target/open.ts'

/** Where a release goes, after rules, file and repository, and by which rules its manifests are judged. */
export interface Place {
  target: Target
  namespace: string
  cluster?: string
  rules: EnvironmentRules
  /** Another repository owns the namespace; an admin let this one in. */
  isShared: boolean
}
const ownNamespaceFile = '/var/run/secrets/kubernetes.io/serviceaccount/namespace'

/**
 * Decides where an environment is deployed to. In a cluster its namespace becomes this repository's, if it is nobody's yet;
 * one that another repository owns is refused (`namespace_taken`), unless an admin named it for this one.
 */
export async function choosePlace(
  { store, targets }: { store: Store; targets: Targets },
  repo: RepositoryId,
  environment: PlannedEnvironment,
  work: Work,
): Promise<Outcome<Place>> {
  const planned = await planPlace(store, repo, environment)
  if (!planned.ok) return planned
  const { namespace, cluster, isRuled, rules } = planned.value
  const target = await targets.choose(repo, cluster, work)
  if (!target.ok) return target
  const place = { target: target.value, namespace, rules, isShared: false, ...(cluster ? { cluster } : {}) }
  const where = await target.value.where?.(work)
  if (!where) return done(place)
  if (!where.ok) return where
  const asking = { repo, environment: environment.name }
  const owner = await store.namespaces.own(where.value, namespace, asking)
  // What is removed as a whole is shared with nobody, not even within the repository.
  const isPreview = async () =>
    environment.preview !== undefined || (await store.previews.read(repo, owner.environment)) !== undefined
  if (owner.repo === repo && (owner.environment === environment.name || !(await isPreview()))) return done(place)
  if (isRuled && owner.repo !== repo) return done({ ...place, isShared: true })
  return refuse('namespace_taken', {
    namespace,
    owner: `environment ${owner.environment} of repository ${owner.repo}`,
  })
}

/** Where rules, file and repository send an environment, before anything there is asked. */
async function planPlace(
  store: Store,
  repo: RepositoryId,
  environment: PlannedEnvironment,
): Promise<Outcome<PlannedPlace & { rules: EnvironmentRules }>> {
  const [repository, rules, own] = await Promise.all([
    store.repositories.read(repo),
    store.environments.rules(repo, ruledAs(environment)),
    readFile(ownNamespaceFile, 'utf8').catch(() => undefined),
  ])
  const planned = decidePlace({ environment, rules, repository: repository?.deploy ?? {}, own: own?.trim() })
  return planned.ok ? done({ ...planned.value, rules }) : planned
}

/** The name of the target that an environment goes to, when this deployer does not serve it. */
export async function placedElsewhere(
  { store, targets, config }: Pick<DeployerDeps, 'store' | 'targets' | 'config'>,
  repo: RepositoryId,
  environment: PlannedEnvironment,
): Promise<string | undefined> {
  if (config.serves.length === 0) return undefined
  const planned = await planPlace(store, repo, environment)
  return planned.ok ? targets.elsewhere(repo, planned.value.cluster) : undefined
}
