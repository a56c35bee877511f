/** Untrusted JSON: any field may be missing or of any type. */
export interface Loose {
  [key: string]: Loose | undefined
}

/** The items of a list; something else in its place is taken for its only item, so that it is looked at too. */
export const list = (value: unknown): Loose[] =>
  Array.isArray(value) ? value : value === undefined || value === null ? [] : [value as Loose]

/** Is it there, and not false? */
export const isSet = (value: unknown): boolean => value !== undefined && value !== null && value !== false

/** The first field that is there and not among the known. */
export const unknownField = (value: Loose | undefined, known: readonly string[]): string | undefined =>
  value && typeof value === 'object'
    ? Object.keys(value).find((key) => isSet(value[key]) && !known.includes(key))
    : undefined

/** A value for a message. Not String(): an object may bring a `toString` that is none. */
export const shown = (value: unknown): string =>
  typeof value === 'string' ? value : (JSON.stringify(value) ?? 'nothing')
