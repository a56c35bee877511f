import type { RepositoryId, Sha } from '@taxiway/domain/ids.ts'
import type { UrlRules } from './url.ts'

/** A kept bare repository that has the commit. */
export interface Mirror {
  folder: string
}
export interface FetchOrder extends UrlRules {
  /** Folder of all mirrors. Processes on one machine, or with one volume, may share it. */
  folder: string
  repositoryId: RepositoryId
  url: string
  token?: string
  sha: Sha
  /** The ref that pointed at the commit, for servers that give nothing else. */
  ref: string
  /** `maxMb` is for what this fetch adds; the deadline counts the wait for other fetches into the same mirror too. */
  limits: { maxMb: number; deadlineMs: number }
  signal: AbortSignal
  onLine?(line: string): void
}
