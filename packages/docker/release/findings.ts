/** Untrusted JSON: any field may be missing or of any type. */
// biome-ignore lint/suspicious/noExplicitAny: every field is looked at before it is used.
export type Json = any
/** Takes down what is wrong with an object; reading goes on, and the first one is told. */
export interface Findings {
  invalid(detail: string): void
  unsupported(detail: string): void
  /** Something that means nothing here, and does no harm by that. */
  note(line: string): void
}

/** The entries of a list; none when it is no list. */
export const listOf = (value: unknown): Json[] => (Array.isArray(value) ? value.filter((item) => item !== null) : [])
