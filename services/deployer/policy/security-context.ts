import { isSet, type Loose, list, shown, unknownField } from './loose.ts'
import { against, each, fieldObjections, type Objections } from './objection.ts'

/** Fields of a pod's and of a container's security context whose values are looked at below, or can't take anything. */
const ofBoth = 'runAsUser runAsGroup runAsNonRoot seccompProfile appArmorProfile windowsOptions'.split(' ')
const powers = ['privileged', 'allowPrivilegeEscalation', 'capabilities', 'procMount']
const fields = {
  pod: {
    allowed: [...ofBoth, 'fsGroup', 'fsGroupChangePolicy', 'supplementalGroups', 'supplementalGroupsPolicy'],
    closed: [...powers, 'readOnlyRootFilesystem', 'seLinuxOptions', 'seLinuxChangePolicy', 'sysctls'],
    of: ' of a securityContext',
  },
  container: {
    allowed: [...ofBoth, ...powers, 'readOnlyRootFilesystem'],
    closed: ['seLinuxOptions'],
    of: ' of a securityContext',
  },
}
const rootHint = 'Let the image run as another user'

/** What a security context asks for beyond an ordinary container. */
export function securityObjections(context: Loose | undefined, of: 'pod' | 'container'): Objections {
  if (!isSet(context) || context === undefined) return []
  if (typeof context !== 'object') return [against('securityContext is not a map')]
  const windows = unknownField(context.windowsOptions, ['runAsUserName'])
  return [
    ...fieldObjections(context, fields[of]),
    ...['privileged', 'allowPrivilegeEscalation'].map((field) =>
      isSet(context[field]) ? against(`securityContext.${field} not allowed`) : undefined,
    ),
    isRoot(context) ? against('securityContext asks for root, which is not allowed', rootHint) : undefined,
    ...each(list(context.capabilities?.add), (name) => [
      (name as unknown) === 'NET_BIND_SERVICE' ? undefined : against(`capability ${shown(name)} not allowed`),
    ]),
    isSet(context.procMount) && (context.procMount as unknown) !== 'Default'
      ? against('procMount not allowed')
      : undefined,
    windows ? against(`windowsOptions.${windows} not allowed`) : undefined,
    ...['seccompProfile', 'appArmorProfile'].map((field) =>
      isSet(context[field]) && !['RuntimeDefault', 'Localhost'].includes(context[field]?.type as unknown as string)
        ? against(`${field} ${shown(context[field]?.type)} not allowed`)
        : undefined,
    ),
  ]
}

/** It says so itself. An image's own user is the image's business, unless the environment is ruled to be restricted. */
const isRoot = ({ runAsUser, runAsNonRoot }: Loose): boolean =>
  (isSet(runAsUser) && Number(shown(runAsUser)) === 0) || (runAsNonRoot as unknown) === false

/**
 * What the restricted profile of the Pod Security Standards wants said and a pod does not say. `RuntimeDefault` and no privilege
 * escalation need not be said, as they are filled in.
 */
export function restrictedObjections(pod: Loose, containers: readonly Loose[]): Objections {
  const ofPod = pod.securityContext ?? ({} as Loose)
  return each(containers, (container) => {
    const own = container.securityContext ?? ({} as Loose)
    const nonRoot = own.runAsNonRoot ?? ofPod.runAsNonRoot
    const missing = (what: string) => against(`${what} missing, which the rule pods: restricted wants`, `Say ${what}`)
    return [
      (nonRoot as unknown) === true ? undefined : missing('runAsNonRoot: true'),
      list(own.capabilities?.drop).map(shown).includes('ALL') ? undefined : missing('capabilities.drop: [ALL]'),
    ]
  })
}
