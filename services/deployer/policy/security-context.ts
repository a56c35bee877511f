import type { Loose } from './loose.ts'
import { isSet, list, shown, unknownField } from './loose.ts'

/** Fields of a pod's and of a container's security context whose values are looked at below, or can't take anything. */
const ofPod = [
  'runAsUser',
  'runAsGroup',
  'runAsNonRoot',
  'fsGroup',
  'fsGroupChangePolicy',
  'supplementalGroups',
  'supplementalGroupsPolicy',
  'seccompProfile',
  'appArmorProfile',
  'windowsOptions',
]
const ofContainer = [
  'runAsUser',
  'runAsGroup',
  'runAsNonRoot',
  'readOnlyRootFilesystem',
  'allowPrivilegeEscalation',
  'privileged',
  'capabilities',
  'procMount',
  'seccompProfile',
  'appArmorProfile',
  'windowsOptions',
]

/** What a security context asks for beyond an ordinary container, or undefined. */
export function securityObjection(context: Loose | undefined, of: 'pod' | 'container'): string | undefined {
  if (!isSet(context)) return undefined
  if (typeof context !== 'object') return 'securityContext is not a map'
  const unknown = unknownField(context, of === 'pod' ? ofPod : ofContainer)
  if (unknown) return `securityContext.${unknown} not allowed`
  for (const field of ['privileged', 'allowPrivilegeEscalation'])
    if (isSet(context[field])) return `securityContext.${field} not allowed`
  if (isRoot(context)) return 'securityContext asks for root, which is not allowed'
  const capability = list(context.capabilities?.add).find((name) => (name as unknown) !== 'NET_BIND_SERVICE')
  if (capability !== undefined) return `capability ${shown(capability)} not allowed`
  if (isSet(context.procMount) && (context.procMount as unknown) !== 'Default') return 'procMount not allowed'
  const windows = unknownField(context.windowsOptions, ['runAsUserName'])
  if (windows) return `windowsOptions.${windows} not allowed`
  for (const field of ['seccompProfile', 'appArmorProfile'])
    if (isSet(context[field]) && !['RuntimeDefault', 'Localhost'].includes(context[field]?.type as unknown as string))
      return `${field} ${shown(context[field]?.type)} not allowed`
  return undefined
}

/** It says so itself. An image's own user is the image's business, unless the environment is ruled to be restricted. */
const isRoot = ({ runAsUser, runAsNonRoot }: Loose): boolean =>
  (isSet(runAsUser) && Number(shown(runAsUser)) === 0) || (runAsNonRoot as unknown) === false

/**
 * What the restricted profile of the Pod Security Standards wants said and a pod does not say, or undefined. `RuntimeDefault`
 * and no privilege escalation need not be said, as they are filled in.
 */
export function restrictedObjection(pod: Loose, containers: readonly Loose[]): string | undefined {
  const ofPod = pod.securityContext ?? ({} as Loose)
  for (const container of containers) {
    const own = container.securityContext ?? ({} as Loose)
    const nonRoot = own.runAsNonRoot ?? ofPod.runAsNonRoot
    if ((nonRoot as unknown) !== true) return 'runAsNonRoot: true missing, which the rule pods: restricted wants'
    const dropped = list(own.capabilities?.drop).map(shown)
    if (!dropped.includes('ALL')) return 'capabilities.drop: [ALL] missing, which the rule pods: restricted wants'
  }
  return undefined
}
