import { createHash, timingSafeEqual } from 'node:crypto'
import type { NewToken, Token } from '@taxiway/domain/token.ts'
import type { Redis } from '../redis/connection.ts'
import { keys } from '../redis/keys.ts'

export type Tokens = ReturnType<typeof makeTokens>

const hash = (token: string) => createHash('sha256').update(token).digest('hex')

/** API tokens: `twy_<id>_<secret>`. The id finds the record, the hash of the whole token is compared in constant time. */
export function makeTokens(redis: Redis, now: () => Date, random: (bytes: number) => Uint8Array) {
  const store = (record: Token, token: string, onlyNew: boolean) => {
    const value = JSON.stringify({ ...record, hash: hash(token) })
    return onlyNew ? redis.hsetnx(keys.tokens, record.id, value) : redis.hset(keys.tokens, record.id, value)
  }
  return {
    async create(asked: NewToken): Promise<{ record: Token; token: string }> {
      const id = Buffer.from(random(8)).toString('hex')
      const token = `twy_${id}_${Buffer.from(random(24)).toString('base64url')}`
      const record = { id, ...asked, createdAt: now().toISOString() }
      await store(record, token, false)
      return { record, token }
    },

    /** Makes the first admin token, once; a token given by the configuration replaces the last one given. @returns the token when it was made now */
    async ensureAdmin(given: string | undefined): Promise<string | undefined> {
      const record: Token = {
        id: given ? 'configured' : 'first',
        name: given ? 'TAXIWAY_ADMIN_TOKEN' : 'first admin token',
        scope: 'admin',
        createdAt: now().toISOString(),
      }
      if (given) {
        await store(record, given, false)
        return undefined
      }
      await redis.hdel(keys.tokens, 'configured')
      const token = `twy_first_${Buffer.from(random(24)).toString('base64url')}`
      return (await store(record, token, true)) === 1 ? token : undefined
    },

    /** Who the token belongs to, or undefined for an unknown, revoked or expired one. */
    async find(token: string): Promise<Token | undefined> {
      const id = /^twy_([0-9a-z]+)_/.exec(token)?.[1]
      for (const candidate of id ? [id, 'configured'] : ['configured']) {
        const text = await redis.hget(keys.tokens, candidate)
        if (!text) continue
        const { hash: wanted, ...record } = JSON.parse(text) as Token & { hash: string }
        if (!timingSafeEqual(Buffer.from(wanted), Buffer.from(hash(token)))) continue
        return record.expiresAt && Date.parse(record.expiresAt) < now().getTime() ? undefined : record
      }
      return undefined
    },

    async list(): Promise<Token[]> {
      return Object.values(await redis.hgetall(keys.tokens)).map((text) => {
        const { hash: _, ...record } = JSON.parse(text)
        return record
      })
    },

    revoke: async (id: string): Promise<boolean> => (await redis.hdel(keys.tokens, id)) === 1,
  }
}
