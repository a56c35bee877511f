import { refuse } from '@taxiway/domain/reason.ts'

/** How much of a commit message is kept, in characters. */
export const longestMessage = 4096

/** Is it a text of one to `limit` characters? */
export const isText = (value: unknown, limit: number): value is string =>
  typeof value === 'string' && value.length > 0 && value.length <= limit

/** A payload whose field is not what it should be. */
export const invalid = (field: string) => refuse('body_invalid', { detail: `${field} is missing or malformed` })
