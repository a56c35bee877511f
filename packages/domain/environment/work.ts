/** What every call is given. */
export interface Work {
  /** How long the whole call may take, retries included. */
  deadlineMs: number
  /** Ends the call early: it then rejects with the signal's reason. */
  signal: AbortSignal
  /** One line for the log of the run. Not masked yet. */
  say: (line: string) => void
  /** How far it has come, for people who look at the run: `canary 25 %`. */
  tell?: (progress: string) => void
  /** Values of the repository's secrets as they are now; a name that has none is left out. */
  secretValues?: (names: readonly string[]) => Promise<Record<string, string>>
}
