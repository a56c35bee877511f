import type { Cause } from '@taxiway/domain/environment/explanation.ts'
import type { KubeObject } from '../object.ts'
import type { Seen } from './finding.ts'

/** Why a controller can't make pods. */
export interface CreationTrouble {
  cause: Cause
  final: boolean
  /** It must last so long before it counts as final. */
  afterMs: number
  text: string
}

/** What others leave may make room within this time. */
const quotaForMs = 10_000
const refusedForMs = 3_000

/** Reads what the server said to the controller when it refused a pod. */
export function creationTrouble(message: string): CreationTrouble {
  const bare = message.replace(/^Error creating: /, '').replace(/\.$/, '')
  const said = bare.replace(/^pods? "[^"]*" is (forbidden|invalid): /i, '')
  const quota = /^exceeded quota: ([^,]+), (.*)$/.exec(said)
  if (quota) return trouble('quota_exceeded', `quota ${quota[1]} of the namespace is used up: ${quota[2]}`, quotaForMs)
  const unmeasured = /^failed quota: ([^:]+): (.*)$/.exec(said)
  if (unmeasured) return trouble('quota_exceeded', `quota ${unmeasured[1]} of the namespace: ${unmeasured[2]}`)
  // A webhook that is away may come back, and the service account of a new namespace is made a moment later.
  const isRefused =
    !/failed calling webhook|service account|status unknown for quota/.test(said) &&
    (said !== bare || /denied the request/.test(said))
  return { ...trouble('admission_refused', `pods can't be made: ${said}`), final: isRefused }
}

const trouble = (cause: Cause, text: string, afterMs = refusedForMs): CreationTrouble => ({
  cause,
  final: true,
  afterMs,
  text,
})

/**
 * May pods that a quota refuses come all the same? While earlier pods go away, or the controller takes such away as it goes: it asks
 * again, with pauses that grow.
 */
export const mayGetRoom = ({ workload, isMakingRoom, isReplacing }: Seen): boolean =>
  isMakingRoom || (isReplacing === true && takesAwayFirst(workload))

interface RollingSpec {
  replicas?: number
  strategy?: { type?: string; rollingUpdate?: { maxUnavailable?: number | string } }
}

/** Does an earlier pod go before the new one is there? A StatefulSet and a DaemonSet have no two in one place. */
function takesAwayFirst({ kind, spec }: KubeObject): boolean {
  const { replicas = 1, strategy = {} } = (spec ?? {}) as RollingSpec
  if (kind !== 'Deployment' || strategy.type === 'Recreate') return true
  const { maxUnavailable = '25%' } = strategy.rollingUpdate ?? {}
  const most = String(maxUnavailable).endsWith('%')
    ? Math.floor((Number.parseFloat(String(maxUnavailable)) * replicas) / 100)
    : Number(maxUnavailable)
  return most > 0
}
