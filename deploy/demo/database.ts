import { Redis } from 'ioredis'

/** Redis has 16 unless it is told otherwise; what most people use is the first. */
const databases = Array.from({ length: 15 }, (_, index) => index + 1)
const keyOf = (id: string): string => `taxiway-demo:${id}`

const withRedis = async <T>(url: string, work: (redis: Redis) => Promise<T>): Promise<T> => {
  const redis = new Redis(url, { maxRetriesPerRequest: 1, retryStrategy: () => null, lazyConnect: true })
  redis.on('error', () => undefined)
  try {
    await redis.connect()
    return await work(redis)
  } finally {
    redis.disconnect()
  }
}

const databaseOf = (url: string, number: number): string => {
  const address = new URL(url)
  address.pathname = `/${number}`
  return address.href
}

/** Takes an empty database of somebody's Redis: what others keep there is neither seen nor changed. @returns its address */
export async function takeDatabase(url: string, id: string): Promise<string> {
  for (const number of databases) {
    const address = databaseOf(url, number)
    const isOurs = await withRedis(address, async (redis) => {
      if ((await redis.dbsize()) > 0) return false
      await redis.set(keyOf(id), '')
      if ((await redis.dbsize()) === 1) return true
      // Somebody else came at the same time.
      await redis.del(keyOf(id))
      return false
    })
    if (isOurs) return address
  }
  throw new Error(`The Redis at ${new URL(url).host} has no empty database left for a demo.`)
}

/** Empties the database that this demo took, if it did. */
export async function leaveDatabase(url: string, id: string): Promise<void> {
  for (const number of databases)
    await withRedis(databaseOf(url, number), async (redis) => {
      if ((await redis.exists(keyOf(id))) === 1) await redis.flushdb()
    })
}
