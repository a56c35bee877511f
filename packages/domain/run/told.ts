import type { Told } from '../plan/variables.ts'
import { eventOf, refOf } from './origin.ts'
import type { Run } from './run.ts'

/** What is told of a run. @param places where this Taxiway is, and the repository */
export const toldOf = (run: Run, places: { url: string; repositoryUrl: string }): Told => ({
  sha: run.sha,
  ref: refOf(run),
  event: eventOf(run),
  branch: run.branch,
  ...(run.tag === undefined ? {} : { tag: run.tag }),
  ...(run.pullRequest ? { pull: run.pullRequest.number, base: run.pullRequest.base } : {}),
  number: run.number,
  id: run.id,
  url: `${places.url}/runs/${run.id}`,
  repository: run.repository,
  repositoryUrl: withoutUser(places.repositoryUrl),
  ...(run.defaultBranch ? { defaultBranch: run.defaultBranch } : {}),
  author: run.author,
})

/** A URL that can be shown. */
function withoutUser(text: string): string {
  const url = URL.parse(text)
  if (!url) return ''
  url.username = ''
  url.password = ''
  return url.href
}
