import { didYouMean } from '@taxiway/domain/pipeline/nearest.ts'
import { isSet, type Loose } from './loose.ts'

/** What stands against an object: in words that fit into brackets, and the way out if there is one but to leave it out. */
export interface Objection {
  detail: string
  hint?: string
  /** Kubernetes itself knows no such thing. */
  isInvalid?: true
}

/** One objection, or none: what checks are put together from. */
export type Objections = readonly (Objection | undefined)[]

export const against = (detail: string, hint?: string): Objection => (hint ? { detail, hint } : { detail })
/** The way out is a rule of the environment, which only an admin writes. */
export const byRule = (rule: string): string => `Leave it out, or have an admin rule ${rule} for the environment`

/** What there is in each item against it. */
export const each = (items: readonly Loose[], check: (item: Loose) => Objections): Objections =>
  items.flatMap((item) => check(item ?? ({} as Loose)))

/** Fields that are not among the allowed: known to Kubernetes and closed, or known to nobody. */
export const fieldObjections = (
  value: Loose | undefined,
  { allowed, closed, of }: { allowed: readonly string[]; closed: readonly string[]; of: string },
): Objections =>
  Object.keys(value && typeof value === 'object' ? value : {})
    .filter((key) => isSet(value?.[key]) && !allowed.includes(key))
    .map((key) =>
      closed.includes(key)
        ? against(`${key}${of} not allowed`)
        : { detail: `there is no field ${key}${of}${didYouMean(key, allowed)}`, isInvalid: true },
    )
