import type { RunId } from '@taxiway/domain/ids.ts'
import type { Run } from '@taxiway/domain/run/run.ts'

/** The page of a run. */
export const runUrl = (url: string, id: RunId): string => `${url}/runs/${id}`

/** A run as the API answers it; what is internal is dropped by the response schema. */
export const viewRun = (url: string, run: Run) => ({
  ...run,
  url: runUrl(url, run.id),
  ...(run.gate ? { waiting: { for: run.gate.kind, ...run.gate } } : {}),
})
