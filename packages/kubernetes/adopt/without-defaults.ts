import { isDeepStrictEqual } from 'node:util'

type Json = Record<string, unknown>
const isMap = (value: unknown): value is Json => typeof value === 'object' && value !== null && !Array.isArray(value)
const keyOf = (item: unknown, index: number): unknown => (isMap(item) ? (item.name ?? index) : index)
const partner = (list: unknown, key: unknown): unknown =>
  Array.isArray(list) ? list.find((item, index) => keyOf(item, index) === key) : undefined

/**
 * What stands there, in the words of what is wanted: without values that the server fills in as well where nothing is said, and
 * with numbers and quantities as they are wanted where they mean the same. So that a diff shows what really changes.
 * @param filled what is wanted, as the server fills it in
 */
export function withoutDefaults(was: unknown, wanted: unknown, filled: unknown): unknown {
  if (isDeepStrictEqual(was, filled)) return wanted
  if (isMap(was) && isMap(filled)) {
    const kept = Object.entries(was).map(([name, value]) => {
      return [name, withoutDefaults(value, isMap(wanted) ? wanted[name] : undefined, filled[name])] as const
    })
    const left = kept.filter(([, value]) => value !== undefined)
    return left.length === 0 && wanted === undefined ? undefined : Object.fromEntries(left)
  }
  if (Array.isArray(was) && Array.isArray(wanted))
    return was.map((item, index) => {
      const key = keyOf(item, index)
      return withoutDefaults(item, partner(wanted, key), partner(filled, key)) ?? item
    })
  return was
}
