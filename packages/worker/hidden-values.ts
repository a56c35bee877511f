import type { RepositoryId } from '@taxiway/domain/ids.ts'
import type { ConfiguredRegistry } from '@taxiway/store/access/registries.ts'
import type { Store } from '@taxiway/store/store.ts'

/** All that no log, reason or status of a repository's runs may show: its secrets, its token, and our passwords at registries. */
export async function hiddenValues(
  store: Pick<Store, 'repositories' | 'repositorySecrets' | 'registries'>,
  repo: RepositoryId,
  configured?: ConfiguredRegistry,
): Promise<readonly string[]> {
  const [token, values, credentials] = await Promise.all([
    store.repositories.token(repo),
    store.repositorySecrets.values(repo),
    store.registries.credentials(configured),
  ])
  const passwords = Object.values(credentials).flatMap(({ username, password }) => [
    password,
    // As it stands in the headers of requests to registries.
    Buffer.from(`${username}:${password}`).toString('base64'),
  ])
  return [...(token ? [token] : []), ...Object.values(values), ...passwords]
}
