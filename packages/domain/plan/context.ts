import type { PlanEvent } from '../run/cause.ts'
import { queuedFor } from '../trigger.ts'

/** What the plan depends on besides the pipeline. */
export interface PlanContext {
  /** owner/name */
  repository: string
  event?: PlanEvent
  branch: string
  tag?: string
  /** Branch that the pull request wants into. */
  base?: string
  sha?: string
  /** Of the run. */
  number?: number
  /** Of the pull request. */
  pull?: number
  defaultBranch?: string
  namespace?: string
  /** Code that a member has not approved gets no secrets and is never deployed. Default: trusted. */
  trusted?: boolean
  /** Values of a manual run. */
  inputs?: Record<string, string>
  /** What is filled into build arguments: see variablesOf. */
  variables?: Readonly<Record<string, string>>
  /** Files that changed, if that is known. */
  changed?: string[]
}

/** The branch that rules of branches are held against: for one of a merge queue, the one that it is for. */
export const branchOf = ({ branch }: PlanContext): string => queuedFor(branch) ?? branch
