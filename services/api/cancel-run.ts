import type { RunId } from '@taxiway/domain/ids.ts'
import type { Outcome } from '@taxiway/domain/reason.ts'
import type { Run } from '@taxiway/domain/run/run.ts'
import type { Store } from '@taxiway/store/store.ts'

/** Ends a run that nobody holds; one in a worker's hands is ended by that worker, which stops its containers first. */
export async function cancelRun({ runs }: Pick<Store, 'runs'>, id: RunId, who: string): Promise<Outcome<Run>> {
  const asked = await runs.move(id, { type: 'cancel_requested', who })
  return asked.ok && !asked.value.holder ? runs.move(id, { type: 'cancelled', who }) : asked
}
