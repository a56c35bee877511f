/** How many pods of each version there are at a step. */
export interface Pace {
  fresh: number
  old: number
}

/**
 * So many new pods that they are at least `weight` percent of all, and never fewer of both together than `before`. One old
 * pod stays as long as the new ones, never more than `before`, reach the weight beside it. With `isScaled` somebody else
 * sets the number of old pods, so the new ones come on top. Pure; rises with the weight.
 */
export function paceAt(weight: number, before: number, { isScaled = false } = {}): Pace {
  // In whole numbers: 0.29 * 100 is not 29.
  if (isScaled) return { fresh: Math.max(1, Math.ceil((before * weight) / (100 - weight))), old: before }
  const fresh = Math.max(1, Math.ceil((before * weight) / 100))
  const old = before - fresh
  if (old > 0 || before === 0) return { fresh, old: Math.max(old, 0) }
  return { fresh, old: 100 * fresh >= weight * (fresh + 1) ? 1 : 0 }
}
