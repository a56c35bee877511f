import type { RepositoryId } from '@taxiway/domain/ids.ts'
import type { Redis } from '../redis/connection.ts'
import { keys } from '../redis/keys.ts'
import { loadScript } from '../redis/script.ts'

/** An environment of a repository. */
export interface NamespaceOwner {
  repo: RepositoryId
  environment: string
}

/** Whose the namespaces of clusters are: the first environment that was deployed to one owns it. */
export function makeNamespaces(redis: Redis) {
  const own = loadScript(redis, new URL('./own-namespace.lua', import.meta.url))
  const leave = loadScript(redis, new URL('./leave-namespace.lua', import.meta.url))
  const ask = async (place: string, asking: NamespaceOwner, gone = ''): Promise<NamespaceOwner> => {
    const by = `${asking.repo}/${asking.environment}`
    const [repo, environment] = ((await own([keys.namespaces], [place, by, gone])) as string).split('/')
    return { repo: repo as RepositoryId, environment: environment ?? '' }
  }
  return {
    /** Takes the namespace if nobody has it, or whoever had it was removed since. @returns whose it is */
    async own(where: string, namespace: string, asking: NamespaceOwner): Promise<NamespaceOwner> {
      const place = `${where} ${namespace}`
      const owner = await ask(place, asking)
      if (owner.repo === asking.repo || (await redis.exists(keys.repository(owner.repo))) === 1) return owner
      return ask(place, asking, `${owner.repo}/${owner.environment}`)
    },

    /** Gives a namespace back that is not there any more. One that is another's stays so. */
    async leave(where: string, namespace: string, { repo, environment }: NamespaceOwner): Promise<void> {
      await leave([keys.namespaces], [`${where} ${namespace}`, `${repo}/${environment}`])
    },
  }
}
