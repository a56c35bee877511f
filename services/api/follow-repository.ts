import { done, type Outcome, type Reason, reason, refuse } from '@taxiway/domain/reason.ts'
import type { Repository } from '@taxiway/domain/repository.ts'
import { parseRepositoryUrl } from '@taxiway/git-host/repository-url.ts'
import type { ApiDeps } from './api.ts'

/** What a signed delivery tells of the repository that it is about. */
interface Told {
  /** owner/name */
  repository: string
  repositoryId?: number
  /** The name that it had before. */
  from?: string
}

/**
 * The repository that a delivery to its webhook is about, under the name that it has now. It is known by the git host's number of it, or
 * where that was never told by the name that it had; a delivery about any other is refused.
 * @returns `followed` when it was given a new name by this
 */
export async function followRepository(
  { store, logger, allowedOrigins }: Pick<ApiDeps, 'store' | 'logger' | 'allowedOrigins'>,
  repository: Repository,
  { repository: name, repositoryId: hostId, from }: Told,
): Promise<Outcome<{ repository: Repository; followed?: Reason }>> {
  const isSame = (other: string | undefined) => other?.toLowerCase() === repository.name.toLowerCase()
  if (isSame(name)) {
    if (hostId === undefined || hostId === repository.hostId) return done({ repository })
    await store.repositories.learn(repository, hostId)
    return done({ repository: { ...repository, hostId } })
  }
  const isKnown = hostId !== undefined && repository.hostId !== undefined ? hostId === repository.hostId : isSame(from)
  if (!isKnown)
    return refuse('body_invalid', {
      detail: `it is about ${name}, the webhook is that of ${repository.name}; if that was renamed, change its url with PATCH /api/v1/repos/${repository.id}`,
    })
  const place = parseRepositoryUrl(`${new URL(repository.url).origin}/${name}.git`, {
    allowedOrigins,
    apiUrl: repository.apiUrl,
  })
  if (!place.ok) return place
  const { fullName, cloneUrl, apiUrl } = place.value
  const moved = await store.repositories.move(repository.id, {
    name: fullName,
    url: cloneUrl,
    apiUrl,
    ...(hostId === undefined ? {} : { hostId }),
  })
  if (!moved.ok) return moved
  if (hostId !== undefined && hostId !== repository.hostId) await store.repositories.learn(moved.value, hostId)
  logger.info({ repository: repository.id, from: repository.name, to: fullName }, 'the repository has a new name')
  return done({
    repository: moved.value,
    followed: reason('repository_followed', { from: repository.name, to: fullName }),
  })
}
