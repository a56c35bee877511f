import Type from 'typebox'
import { ClusterName, NamespaceName } from '../cluster/cluster.ts'
import { kindPattern, neverAllowed } from '../cluster/kinds.ts'
import type { PlannedEnvironment } from '../plan/environment.ts'
import { previewNamespace } from '../plan/preview.ts'
import { done, type Outcome, refuse } from '../reason.ts'
import type { DeployDefaults } from '../repository.ts'

const names = (description: string, pattern = '^[a-z0-9]([-a-z0-9.]{0,251}[a-z0-9])?$') =>
  Type.Optional(Type.Array(Type.String({ pattern, maxLength: 253 }), { maxItems: 100, description }))

/** What an admin rules about the place of an environment, and about what its manifests may hold. */
export const containmentRules = {
  cluster: Type.Optional({
    ...ClusterName,
    description: 'The cluster it is deployed to; a file that says another is refused.',
  }),
  namespace: Type.Optional({ ...NamespaceName, description: 'Its namespace; a file that says another is refused.' }),
  kinds: names(
    'Only these kinds of objects, like Deployment or Certificate.cert-manager.io. Default: those that need no rule.',
    kindPattern,
  ),
  moreKinds: names(
    'These kinds as well, like Secret or Certificate.cert-manager.io: any but cluster-wide ones.',
    kindPattern,
  ),
  serviceAccounts: names(
    "Service accounts that its pods may name. Default: none but the namespace's default, without its token.",
  ),
  images: names(
    "Images besides the pipeline's own, by the beginning of their name; a tag is resolved to its digest when a release begins. Default: none.",
    '^[a-z0-9]([-a-z0-9._:/]{0,251}[a-z0-9/])?$',
  ),
  digests: Type.Optional(
    Type.Literal('required', { description: "Images besides the pipeline's own must be named by their digest." }),
  ),
  secrets: names(
    'Secrets of the namespace that its manifests may name. Default: any that no program put there, and none where another repository owns the namespace.',
  ),
  loadBalancers: Type.Optional(Type.Boolean({ description: 'Services may be of the type LoadBalancer.' })),
  nodePorts: Type.Optional(
    Type.Boolean({ description: 'Services may be of the type NodePort, and name ports of the nodes.' }),
  ),
  pods: Type.Optional(
    Type.Enum(['restricted', 'as_written'], {
      description:
        'restricted: pods must say that they run without root and without capabilities. as_written: Taxiway fills in nothing of its own, so pods that were adopted need not be made anew.',
    }),
  ),
  adopt: Type.Optional(
    Type.Boolean({
      description: 'Releases take over what others made under the names of their objects. Default: that is refused.',
    }),
  ),
}
const Containment = Type.Object(containmentRules)
export type Containment = Type.Static<typeof Containment>

/** Nothing is deployed to these, whoever says so: the cluster's own, and Taxiway's. */
const closed = /^(kube-.*|taxiway)$/

/** What an admin may not rule, or undefined. */
export function ruleObjection({ namespace, kinds = [], moreKinds = [] }: Containment): string | undefined {
  if (namespace !== undefined && closed.test(namespace)) return `namespace ${namespace} is not deployed to`
  const kind = [...kinds, ...moreKinds].find((one) => neverAllowed(one) !== undefined)
  return kind && `no release may hold a ${kind}: ${neverAllowed(kind)}`
}

/** What an environment is deployed by: the file, the admin's rules for it, and the admin's settings for its repository. */
export interface PlaceSources {
  environment: Pick<PlannedEnvironment, 'name' | 'namespace' | 'isNamespaceGiven' | 'cluster' | 'preview'>
  rules: Containment
  repository: DeployDefaults
  /** The namespace that Taxiway itself runs in, if it runs in a cluster. */
  own?: string | undefined
}
/** Where an environment is deployed to. */
export interface PlannedPlace {
  namespace: string
  /** Without one, the cluster that the deployer's kubeconfig names. */
  cluster?: string
  /** An admin named the namespace, so another repository may own it. */
  isRuled: boolean
}

/**
 * Rules stand above the file, the file above the repository's settings. A file that contradicts a rule is refused rather than
 * overruled, so that nobody takes one place for another; and it may name only clusters that an admin gave the repository.
 */
export function decidePlace({ environment, rules, repository, own }: PlaceSources): Outcome<PlannedPlace> {
  const namespace = decideNamespace({ environment, rules, repository, own })
  if (!namespace.ok) return namespace
  const cluster = decideCluster(environment, rules, repository)
  if (!cluster.ok) return cluster
  // A preview's namespace goes with it, so it is never shared.
  const isRuled = !environment.preview && [rules.namespace, repository.namespace].includes(namespace.value)
  return done({ namespace: namespace.value, isRuled, ...(cluster.value ? { cluster: cluster.value } : {}) })
}

function decideNamespace({ environment, rules, repository, own }: PlaceSources): Outcome<string> {
  const { name, namespace: planned, isNamespaceGiven, preview } = environment
  const ruled =
    rules.namespace !== undefined && preview ? previewNamespace(rules.namespace, preview.number) : rules.namespace
  const refused = (namespace: string, detail: string) =>
    refuse('namespace_not_allowed', { environment: name, namespace, detail })
  if (ruled !== undefined && isNamespaceGiven && planned !== ruled)
    return refused(planned, `an admin ruled ${ruled}; leave the namespace out of the file`)
  const namespace = ruled ?? planned
  if (closed.test(namespace) || namespace === own) return refused(namespace, 'nothing is deployed there; name another')
  if (namespace === 'default' && ![rules.namespace, repository.namespace].includes('default'))
    return refused(namespace, "it is everybody's; name another, or have an admin rule it for this environment")
  return done(namespace)
}

function decideCluster(
  { name, cluster: asked }: PlaceSources['environment'],
  rules: Containment,
  repository: DeployDefaults,
): Outcome<string | undefined> {
  if (asked === undefined) return done(rules.cluster ?? repository.cluster)
  const refused = (detail: string) => refuse('cluster_not_allowed', { environment: name, cluster: asked, detail })
  if (rules.cluster !== undefined)
    return asked === rules.cluster
      ? done(asked)
      : refused(`an admin ruled ${rules.cluster}; leave the cluster out of the file`)
  if (asked === repository.cluster || repository.clusters?.includes(asked)) return done(asked)
  return refused('an admin must first name it in deploy.clusters of the repository, or rule it for the environment')
}
