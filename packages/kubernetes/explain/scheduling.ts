import type { Cause } from '@taxiway/domain/environment/explanation.ts'
import type { Pod } from '../object.ts'

interface Unscheduled {
  cause: Cause
  weight: 'final' | 'claim' | 'open'
  text: string
}

/**
 * Why the scheduler found no node for a pod, with what is missing named first and its own words after it. A node may come as long
 * as there is time.
 */
export function unschedulable(pod: Pod, message = 'no node fits'): Unscheduled {
  const said = message.replace(/\.$/, '')
  const claim = /persistentvolumeclaim "([^"]+)" (not found|is being deleted)/.exec(said)
  if (claim) return { cause: 'volume_unavailable', weight: 'final', text: `volume claim ${claim[1]} ${claim[2]}` }
  if (/unbound (immediate )?PersistentVolumeClaims/.test(said))
    return {
      cause: 'volume_unavailable',
      weight: 'claim',
      text: `volume claim ${claimsOf(pod).join(', ')} is not bound`,
    }
  const missing = whatIsMissing(pod, said)
  return { cause: 'unschedulable', weight: 'open', text: `unschedulable: ${missing ? `${missing}: ` : ''}${said}` }
}

/** Names of the claims that a pod mounts. */
export const claimsOf = ({ spec }: Pod): string[] =>
  (spec.volumes ?? []).flatMap(({ persistentVolumeClaim }) => persistentVolumeClaim?.claimName ?? [])

function whatIsMissing(pod: Pod, said: string): string | undefined {
  const resource = /Insufficient ([\w./-]*\w)/.exec(said)?.[1]
  if (resource) {
    const asked = pod.spec.containers.flatMap(({ resources }) => resources?.requests?.[resource] ?? [])
    return `no node has the ${resource} it asks for${asked.length > 0 ? ` (${asked.join(' + ')})` : ''}`
  }
  if (/didn't match (Pod's )?node (selector|affinity)/i.test(said)) {
    const wanted = Object.entries(pod.spec.nodeSelector ?? {}).map(([key, value]) => `${key}=${value}`)
    return `no node has what its node selector asks for${wanted.length > 0 ? ` (${wanted.join(', ')})` : ''}`
  }
  if (/taint/.test(said)) return 'no node is free of taints that it does not tolerate'
  return undefined
}
