/** Commits that are seen of a history: from the newest on, so many generations deep. */
export interface Window {
  commits: ReadonlySet<string>
  /** Those of them whose parents are not seen, sorted. */
  shallow: string[]
}

/**
 * What is seen of a history from one commit on, `depth` generations deep, the same however much more of it is at hand.
 * @param listed lines of a commit and its parents, as `git rev-list --parents` writes them
 * @param cut commits whose parents are not at hand
 */
export function windowOf(sha: string, depth: number, listed: string, cut: ReadonlySet<string>): Window {
  const parents = new Map<string, string[]>()
  for (const line of listed.split('\n')) {
    const [commit, ...of] = line.split(' ')
    if (commit) parents.set(commit, of)
  }
  const commits = new Set<string>()
  const shallow: string[] = []
  let generation = [sha]
  for (let at = 1; generation.length > 0; at++) {
    const next = new Set<string>()
    for (const commit of generation) {
      commits.add(commit)
      const of = parents.get(commit) ?? []
      if (cut.has(commit) || (at === depth && of.length > 0)) shallow.push(commit)
      else for (const parent of of) next.add(parent)
    }
    generation = [...next].filter((commit) => !commits.has(commit))
  }
  return { commits, shallow: shallow.sort() }
}
