import type { Pipeline } from '../pipeline/pipeline.ts'

/** What a checkout brings besides the files of the commit. */
export interface PlannedCheckout {
  /** A `.git`: so many generations of commits (all without it), with or without tags. */
  history?: { depth?: number; tags: boolean }
  /** The files of Git LFS. */
  lfs?: true
}

/** What the file asks for; nothing when that is only what every checkout brings. */
export function planCheckout({ checkout = {} }: Pipeline): { checkout?: PlannedCheckout } {
  const { history, tags = false, lfs = false } = checkout
  const hasHistory = history !== undefined || tags
  if (!hasHistory && !lfs) return {}
  const depth = typeof history === 'number' ? { depth: history } : {}
  return { checkout: { ...(hasHistory ? { history: { ...depth, tags } } : {}), ...(lfs ? { lfs } : {}) } }
}
