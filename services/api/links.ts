import type { RunId } from '@taxiway/domain/ids.ts'
import { waitsToRetry } from '@taxiway/domain/run/retry.ts'
import type { Run } from '@taxiway/domain/run/run.ts'

/** The page of a run. */
export const runUrl = (url: string, id: RunId): string => `${url}/runs/${id}`

/** A run as the API answers it; what is internal is dropped by the response schema. */
export function viewRun(url: string, run: Run) {
  const waiting = run.gate ? { for: run.gate.kind, ...run.gate } : waitsToRetry(run)
  return { ...run, url: runUrl(url, run.id), ...(waiting ? { waiting } : {}) }
}
