import type { PlanContext } from './context.ts'

/** What the commands of a run are told of it. */
export interface Told
  extends Pick<PlanContext, 'repository' | 'event' | 'branch' | 'tag' | 'base' | 'pull' | 'defaultBranch'> {
  sha?: string
  ref?: string
  number?: number
  id?: string
  /** Of the page of the run, and of the repository. */
  url?: string
  repositoryUrl?: string
  author?: string
}

/** How much of a commit's id is its short form. */
export const shortSha = (sha: string): string => sha.slice(0, 12)

/**
 * The variables of tests and jobs; one that does not apply is empty. Their texts come from whoever pushed: they are given as variables, and no shell
 * command is put together from them.
 */
export function variablesOf(told: Told): Record<string, string> {
  const { sha = '', branch, tag = '', pull, number } = told
  const words = {
    TAXIWAY: 'true',
    TAXIWAY_EVENT: told.event ?? 'push',
    TAXIWAY_SHA: sha,
    TAXIWAY_SHORT_SHA: shortSha(sha),
    TAXIWAY_REF: told.ref ?? '',
    TAXIWAY_BRANCH: branch,
    TAXIWAY_TAG: tag,
    TAXIWAY_PULL_REQUEST: String(pull ?? ''),
    TAXIWAY_BASE_BRANCH: told.base ?? '',
    TAXIWAY_HEAD_BRANCH: pull === undefined ? '' : branch,
    TAXIWAY_DEFAULT_BRANCH: told.defaultBranch ?? '',
    TAXIWAY_RUN_NUMBER: String(number ?? ''),
    TAXIWAY_RUN_ID: told.id ?? '',
    TAXIWAY_RUN_URL: told.url ?? '',
    TAXIWAY_REPOSITORY: told.repository,
    TAXIWAY_REPOSITORY_URL: told.repositoryUrl ?? '',
    TAXIWAY_AUTHOR: told.author ?? '',
  }
  // Names that tools look for, and take for no other system than they are in.
  const common = {
    CI: 'true',
    BUILD_NUMBER: words.TAXIWAY_RUN_NUMBER,
    BUILD_URL: words.TAXIWAY_RUN_URL,
    GIT_COMMIT: sha,
    GIT_BRANCH: branch,
    CI_COMMIT_SHA: sha,
    CI_COMMIT_BRANCH: branch,
    CI_COMMIT_TAG: tag,
  }
  const set = Object.entries(common).filter(([, value]) => value !== '')
  return Object.fromEntries(
    [...set, ...Object.entries(words)].map(([name, value]) => [name, value.replaceAll('\0', '')]),
  )
}

/** Fills in `{sha}`, `{run_number}` and the like: what the variable TAXIWAY_SHA, TAXIWAY_RUN_NUMBER, … has. Other words in braces stay. */
export function fillIn(text: string, variables: Readonly<Record<string, string>>): string {
  return text.replaceAll(
    /\{([a-z_]{1,30})\}/g,
    (whole, word: string) => variables[`TAXIWAY_${word.toUpperCase()}`] ?? whole,
  )
}
