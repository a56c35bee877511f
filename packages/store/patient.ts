import { patiently } from './redis/connection.ts'
import type { Store } from './store.ts'

/**
 * The store as work on a run needs it: each call waits for Redis to come back, so that what is done is not thrown away. Loops that
 * come round anyway, and whoever waits for an answer, use the store itself.
 */
export function patientStore(store: Store): Store {
  const parts = Object.entries(store).map(([name, part]) => [name, isPart(part) ? patientPart(part) : part])
  return Object.fromEntries(parts) as Store
}

type Call = (...given: unknown[]) => unknown

/** A noun of the store, and not the connection beneath them. */
const isPart = (value: unknown): value is object =>
  typeof value === 'object' && value !== null && Object.getPrototypeOf(value) === Object.prototype

/** A part of it, likewise. */
export const patientPart = <P extends object>(part: P): P =>
  Object.fromEntries(
    Object.entries(part).map(([name, call]) => [name, typeof call === 'function' ? patientCall(call as Call) : call]),
  ) as P

/** What answers at once, or bit by bit, is left as it is. */
function patientCall(call: Call): Call {
  return (...given) => {
    let first = call(...given)
    if (!(first instanceof Promise)) return first
    return patiently(async () => {
      const answer = first ?? call(...given)
      first = undefined
      return answer
    })
  }
}
