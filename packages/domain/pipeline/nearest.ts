/** The candidate at most two edits away (Levenshtein; one for words of up to three letters), if there is one. */
export function nearest(word: string, candidates: readonly string[]): string | undefined {
  const distance = (a: string, b: string) => {
    let row = Array.from({ length: b.length + 1 }, (_, index) => index)
    for (let i = 1; i <= a.length; i++) {
      const next = [i]
      for (let j = 1; j <= b.length; j++)
        next[j] = Math.min(
          (row[j] ?? 0) + 1,
          (next[j - 1] ?? 0) + 1,
          (row[j - 1] ?? 0) + (a[i - 1] === b[j - 1] ? 0 : 1),
        )
      row = next
    }
    return row[b.length] ?? 0
  }
  const ranked = candidates
    .map((candidate) => ({ candidate, far: distance(word.slice(0, 40), candidate) }))
    .sort((a, b) => a.far - b.far)
  return ranked[0] && ranked[0].far <= (word.length <= 3 ? 1 : 2) ? ranked[0].candidate : undefined
}

/** `; did you mean web?`, or nothing when no candidate is near. */
export function didYouMean(word: string, candidates: Iterable<string>): string {
  const near = nearest(word, [...candidates])
  return near ? `; did you mean ${near}?` : ''
}
