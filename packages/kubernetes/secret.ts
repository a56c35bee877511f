import type { SecretSet } from '@taxiway/domain/environment/release.ts'
import { done, type Outcome, refuse } from '@taxiway/domain/reason.ts'
import { type Cluster, messageOf, type Wait } from './cluster/call.ts'
import { claim, deleteSecret, readInventory, stillOurs } from './inventory.ts'
import { type ClusterRelease, keys, secretPath } from './object.ts'

/** Values of the repository's secrets by name, as they are now; a name that has none is left out. */
export type SecretValues = (names: readonly string[]) => Promise<Record<string, string>>

/** Asks whether the Secrets of a release could be made, and makes none. */
export async function dryRunSecrets(cluster: Cluster, release: ClusterRelease, wait: Wait): Promise<Outcome<void>> {
  for (const secret of release.secrets ?? []) {
    const tried = await post(cluster, release, { secret, values: {}, dryRun: true }, wait)
    if (!tried.ok) return tried
  }
  return done(undefined)
}

/**
 * Makes the Secrets of a release, with values that are asked for now and written nowhere else. Takes the environment for it
 * first. A Secret can't be changed and is named by what it holds, so one that is there is right; nothing is ever read.
 */
export async function giveSecrets(
  cluster: Cluster,
  release: ClusterRelease,
  valuesOf: SecretValues | undefined,
  wait: Wait,
): Promise<Outcome<void>> {
  const { secrets = [] } = release
  if (secrets.length === 0) return done(undefined)
  const claimed = await claim(cluster, release, wait)
  if (!claimed.ok) return claimed
  for (const secret of secrets) {
    const made = await give(cluster, release, { secret, valuesOf }, wait)
    if (!made.ok) return made
  }
  return done(undefined)
}

async function give(
  cluster: Cluster,
  release: ClusterRelease,
  { secret, valuesOf }: { secret: SecretSet; valuesOf: SecretValues | undefined },
  wait: Wait,
): Promise<Outcome<void>> {
  const values = (await valuesOf?.(secret.keys)) ?? {}
  const missing = secret.keys.find((key) => !Object.hasOwn(values, key))
  // Removed since: what an earlier release was given may still be there.
  const made = await post(cluster, release, { secret, values, dryRun: missing !== undefined }, wait)
  if (!made.ok || made.value === 'there') return made.ok ? done(undefined) : made
  if (missing !== undefined) return refuse('secret_missing', { name: missing })
  const current = await stillOurs(cluster, release, wait)
  if (current.ok) return current
  const known = await readInventory(cluster, release, wait)
  // The newer release may have been given it as well.
  if (known.ok && !known.value?.secrets.includes(secret.name))
    await deleteSecret(cluster, release.namespace, secret.name, wait)
  return current
}

const forbidden = 'this account may not make Secrets; give it the rights that "taxiway cluster rbac --secrets" prints'

async function post(
  cluster: Cluster,
  release: ClusterRelease,
  { secret, values, dryRun }: { secret: SecretSet; values: Record<string, string>; dryRun: boolean },
  wait: Wait,
): Promise<Outcome<'made' | 'there'>> {
  const body = {
    apiVersion: 'v1',
    kind: 'Secret',
    metadata: {
      name: secret.name,
      namespace: release.namespace,
      labels: {
        [keys.managedBy]: 'taxiway',
        [keys.repository]: release.repositoryId,
        [keys.environment]: release.environment,
      },
      annotations: { [keys.run]: release.runId },
    },
    type: 'Opaque',
    immutable: true,
    stringData: values,
  }
  const query: Record<string, string> = dryRun ? { dryRun: 'All' } : {}
  const call = { method: 'POST', path: secretPath(release.namespace), query, body, may403: true } as const
  const answer = await cluster.call(call, wait)
  if (!answer.ok) return answer
  if (answer.value.status === 403) return refuse('cluster_forbidden', { detail: forbidden })
  if (answer.value.status === 201 || answer.value.status === 409)
    return done(answer.value.status === 201 ? 'made' : 'there')
  return refuse('manifest_invalid', { object: `Secret/${secret.name}`, detail: messageOf(answer.value.body) })
}
