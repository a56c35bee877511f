import type { Redis } from '../redis/connection.ts'
import { keys } from '../redis/keys.ts'
import type { Secrets } from './secrets.ts'

/** Credentials for a registry as they are shown: never the password. */
export interface RegistryView {
  host: string
  user: string
  updatedAt: string
}
/** By registry host: who we are to it. */
export type RegistryCredentials = Record<string, { username: string; password: string }>
/** The registry of the configuration: `host/prefix`, and its credentials if it has any. */
export interface ConfiguredRegistry {
  prefix: string
  user: string
  password: string
}

const nameOf = (host: string): string => `registry/${host}`

/** Docker Hub has several names; this is the one in image references. */
export const registryHost = (host: string): string =>
  /^(index\.|registry-1\.)?docker\.io$/i.test(host) ? 'docker.io' : host.toLowerCase()

/** Credentials of registries, each sealed under the host it is for. */
export function makeRegistries(redis: Redis, secrets: Secrets, now: () => Date) {
  return {
    /** Writes the credentials for a host, in place of earlier ones. */
    async set({ host, user, password }: { host: string; user: string; password: string }): Promise<void> {
      const known = registryHost(host)
      const sealed = await secrets.seal(nameOf(known), password)
      await redis.hset(keys.registries, known, JSON.stringify({ user, sealed, updatedAt: now().toISOString() }))
    },

    async list(): Promise<RegistryView[]> {
      return Object.entries(await redis.hgetall(keys.registries))
        .map(([host, text]) => {
          const { user, updatedAt } = JSON.parse(text) as RegistryView
          return { host, user, updatedAt }
        })
        .sort((a, b) => (a.host < b.host ? -1 : 1))
    },

    /** @returns false when there were none */
    remove: async (host: string): Promise<boolean> => (await redis.hdel(keys.registries, registryHost(host))) === 1,

    /** All credentials; those of the configuration stand for its own host unless others were written for it. */
    async credentials(configured?: ConfiguredRegistry): Promise<RegistryCredentials> {
      const found: RegistryCredentials = {}
      if (configured?.user) {
        const host = registryHost(configured.prefix.split('/')[0] ?? '')
        found[host] = { username: configured.user, password: configured.password }
      }
      for (const [host, text] of Object.entries(await redis.hgetall(keys.registries))) {
        const { user, sealed } = JSON.parse(text) as { user: string; sealed: string }
        found[host] = { username: user, password: await secrets.open(nameOf(host), sealed) }
      }
      return found
    },
  }
}
