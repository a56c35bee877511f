import { Transform } from 'node:stream'
import type { FastifyInstance } from 'fastify'

/** Bytes of bodies that may be on their way at a time. */
export interface BodyBounds {
  /** So much of each body counts as small: hooks and calls of usual size stay within it, however many large ones are on their way. */
  smallBytes: number
  /** For the small parts of all bodies, and for what is beyond them; of one address, half of each. */
  allBytes: number
}
const mib = 2 ** 20
/** A body is in memory up to three times while it is read, so this is some 300 MB at worst, of large and of small ones. */
export const bodyBounds: BodyBounds = { smallBytes: 256 * 2 ** 10, allBytes: 64 * mib }

/** Too many bytes are on their way: answered 503. */
export class BodiesFull extends Error {
  readonly statusCode = 503
}

/**
 * Counts the bytes of bodies as they come, and until they are answered. A body that would pass what all, or its address, may have on their
 * way fails with BodiesFull, and what still comes of it is thrown away. Only bytes that came count: an announced length is free.
 */
export function boundBodies(app: FastifyInstance, { smallBytes, allBytes }: BodyBounds = bodyBounds): void {
  const pools = { small: makePool(allBytes), large: makePool(allBytes) }
  app.addHook('preParsing', (request, reply, payload, done) => {
    const held = { small: 0, large: 0 }
    const address = request.ip
    const take = (bytes: number): boolean => {
      const small = Math.min(bytes, smallBytes - held.small)
      if (!pools.small.take(address, small)) return false
      held.small += small
      if (!pools.large.take(address, bytes - small)) return false
      held.large += bytes - small
      return true
    }
    reply.raw.once('close', () => {
      pools.small.giveBack(address, held.small)
      pools.large.giveBack(address, held.large)
    })
    const counted = new Transform({
      transform(chunk: Buffer, _encoding, next) {
        if (take(chunk.length)) return next(null, chunk)
        throwAway()
        next(new BodiesFull('too many bytes of bodies are on their way'))
      },
    })
    const throwAway = () => void payload.unpipe(counted).resume()
    // Once it is answered, nobody reads on.
    reply.raw.once('finish', throwAway)
    counted.on('error', () => {})
    payload.once('error', (error) => counted.destroy(error))
    payload.once('aborted', () => counted.destroy(new Error('the request was aborted')))
    done(null, payload.pipe(counted))
  })
}

/** Bytes in use, by address and in all. */
function makePool(most: number) {
  const byAddress = new Map<string, number>()
  let all = 0
  return {
    take(address: string, bytes: number): boolean {
      const own = (byAddress.get(address) ?? 0) + bytes
      if (all + bytes > most || own > most / 2) return false
      all += bytes
      if (own > 0) byAddress.set(address, own)
      return true
    },
    giveBack(address: string, bytes: number): void {
      all -= bytes
      const own = (byAddress.get(address) ?? 0) - bytes
      if (own > 0) byAddress.set(address, own)
      else byAddress.delete(address)
    },
  }
}
