import { pullSecret } from '@taxiway/domain/cluster/rights.ts'
import { isSet, type Loose, list } from '../policy/loose.ts'
import { hostOf } from './pulls.ts'

/**
 * Fills in what the restricted profile wants said and ordinary images don't mind: no token of a service account but of one
 * that was ruled in, no more privileges than a process began with, and the runtime's own filter of system calls; and the
 * credentials of registries that its images come from. Changes the pod it is given, which the policy has passed.
 */
export function fillInPod(pod: Record<string, unknown>, pullHosts: ReadonlySet<string> = new Set()): void {
  const spec = pod as Loose
  // True only where the policy let it through, for an account that an admin listed.
  pod.automountServiceAccountToken = pod.automountServiceAccountToken === true
  const images = [...list(spec.initContainers), ...list(spec.containers)].map((one) => hostOf(one?.image))
  const own = list(spec.imagePullSecrets).filter(({ name }) => (name as unknown) !== pullSecret)
  if (images.some((host) => host !== undefined && pullHosts.has(host)))
    pod.imagePullSecrets = [...own, { name: pullSecret }]
  if ((spec.os?.name as unknown) === 'windows') return
  const filter = { type: 'RuntimeDefault' }
  pod.securityContext = { seccompProfile: filter, ...spec.securityContext }
  for (const container of [...list(spec.initContainers), ...list(spec.containers)])
    if (isSet(container))
      (container as Record<string, unknown>).securityContext = withoutMore(container.securityContext)
}

const withoutMore = (context: Loose | undefined) => ({ allowPrivilegeEscalation: false, ...context })
