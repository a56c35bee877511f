import type { KubeObject } from '../object.ts'

/** What an object's own status says about it. `detail` is one sentence without a full stop. */
export interface Health {
  state: 'healthy' | 'progressing' | 'failed'
  detail: string
  /** What the server said when it refused to take more of its pods. */
  refused?: string
}

interface Status {
  observedGeneration?: unknown
  conditions?: unknown
}
interface Condition {
  type?: unknown
  status?: unknown
  reason?: unknown
  message?: unknown
}

/**
 * What an object of a kind that we know nothing of says of itself, by the rules of kstatus
 * (https://github.com/kubernetes-sigs/cli-utils/blob/master/pkg/kstatus/README.md): its controller has seen it, and conditions
 * of the names Reconciling, Stalled and Ready. Who says nothing is in place.
 */
export function statusHealth({ metadata, status }: KubeObject): Health {
  const { observedGeneration, conditions } = (status ?? {}) as Status
  if (metadata.deletionTimestamp) return { state: 'progressing', detail: 'on its way out' }
  if (typeof observedGeneration === 'number' && observedGeneration < (metadata.generation ?? 0))
    return { state: 'progressing', detail: 'not seen by its controller yet' }
  const list: Condition[] = Array.isArray(conditions) ? conditions : []
  const find = (type: string) => list.find((one) => one?.type === type)
  const [reconciling, stalled, ready] = ['Reconciling', 'Stalled', 'Ready'].map(find)
  if (stalled?.status === 'True') return { state: 'failed', detail: wordsOf(stalled, 'stalled') }
  if (reconciling?.status === 'True') return { state: 'progressing', detail: wordsOf(reconciling, 'reconciling') }
  if (ready && ready.status !== 'True') return { state: 'progressing', detail: wordsOf(ready, 'not ready') }
  return { state: 'healthy', detail: ready ? 'ready' : 'in place' }
}

const wordsOf = ({ message, reason }: Condition, otherwise: string): string =>
  [message, reason, otherwise]
    .find((one): one is string => typeof one === 'string' && one !== '')
    ?.replace(/\.$/, '') ?? otherwise
