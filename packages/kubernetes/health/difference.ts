import type { FieldDrift } from '@taxiway/domain/environment/drift.ts'

type Json = Record<string, unknown>
const isObject = (value: unknown): value is Json => typeof value === 'object' && value !== null && !Array.isArray(value)
const isNamed = (list: unknown[]): list is (Json & { name: string })[] =>
  list.every((item) => isObject(item) && typeof item.name === 'string')

/** Every leaf in which two pieces of JSON differ, entries of lists by their names where they have some. */
export function differences(wanted: unknown, live: unknown, path = ''): FieldDrift[] {
  if (Array.isArray(wanted) || Array.isArray(live)) {
    const [from, to] = [listOf(wanted), listOf(live)]
    if (isNamed(from) && isNamed(to)) return fields(byName(from), byName(to), (name) => `${path}[${name}]`)
    return fields({ ...from }, { ...to }, (index) => `${path}[${index}]`)
  }
  if (isObject(wanted) || isObject(live))
    return fields(isObject(wanted) ? wanted : {}, isObject(live) ? live : {}, (name) => join(path, name))
  if (wanted === live) return []
  const [from, to] = [textOf(wanted), textOf(live)]
  return [{ path, ...(from === undefined ? {} : { wanted: from }), ...(to === undefined ? {} : { live: to }) }]
}

const listOf = (value: unknown): unknown[] => (Array.isArray(value) ? value : [])
const byName = (list: (Json & { name: string })[]): Json => Object.fromEntries(list.map((item) => [item.name, item]))
const textOf = (value: unknown): string | undefined =>
  value === undefined ? undefined : typeof value === 'string' ? value : JSON.stringify(value)

function fields(wanted: Json, live: Json, pathOf: (name: string) => string): FieldDrift[] {
  const names = new Set([...Object.keys(wanted), ...Object.keys(live)])
  return [...names].flatMap((name) => {
    const [from, to] = [own(wanted, name), own(live, name)]
    return differences(from, to, pathOf(name))
  })
}
const own = (object: Json, name: string): unknown => (Object.hasOwn(object, name) ? object[name] : undefined)

/** Keys that hold dots or slashes stand in brackets. */
const join = (path: string, name: string): string =>
  /^[\w-]+$/.test(name) ? (path === '' ? name : `${path}.${name}`) : `${path}[${name}]`
