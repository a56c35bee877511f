import type { Digest } from '@taxiway/domain/ids.ts'
import type { Plan } from '@taxiway/domain/plan/plan.ts'
import type { TreeFile } from '@taxiway/git/tree.ts'
import type { FileTimes } from './file-times.ts'

/** The commit's files, and what is to be done with them. */
export interface Tree {
  folder: string
  plan: Plan
  /** Where the commit came from. */
  url: string
  /** Digest of its pipeline file, if it has one. */
  pipeline?: Digest
  /** All files and what they hold. */
  files: TreeFile[]
  times: FileTimes
}
