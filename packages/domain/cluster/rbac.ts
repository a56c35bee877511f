import { type Right, rightOfNamespaces, rightsFor, rightsOfSecrets } from './rights.ts'

export interface RbacOrder {
  /** Where environments are deployed to. */
  namespaces: readonly string[]
  /** Kinds that their rules allow; all, when there is no such rule. */
  kinds?: readonly string[] | undefined
  /** Components or jobs are given secrets, or pods the credentials of registries. */
  secrets?: boolean | undefined
  /** Previews of pull requests: their namespaces are made and removed, and nobody knows their names before. */
  previews?: boolean | undefined
  /** The service account that deployers act as, and its own namespace. */
  account: { name: string; namespace: string }
}

/** The account, and in each namespace the role it needs there, as YAML to apply. Nothing in it reaches beyond a namespace, unless for previews. */
export function rbacText({ namespaces, kinds, secrets, previews, account }: RbacOrder): string {
  const rights = [...rightsFor(kinds), ...(secrets ? rightsOfSecrets : [])]
  return [
    ...(previews ? openWords : closedWords),
    'apiVersion: v1',
    'kind: ServiceAccount',
    `metadata: { name: ${account.name}, namespace: ${account.namespace} }`,
    ...(previews ? everywhere(account, [rightOfNamespaces, ...rights]) : []),
    ...namespaces.flatMap((namespace) => [...role(namespace, account.name, rights), ...binding(namespace, account)]),
    '',
  ].join('\n')
}

const closedWords = [
  '# What a deployer may do, and nothing more: no reading of secrets, no exec, no roles, nothing outside of these namespaces.',
  '# The namespaces must be there: with these rights nobody makes them.',
]
const openWords = [
  '# What a deployer may do with previews of pull requests: make and remove namespaces, and roll out in EVERY namespace of the',
  '# cluster, because access rules know no beginnings of names. Keep a cluster for previews in which nothing else lives.',
]

const role = (namespace: string, name: string, rights: readonly Right[]): string[] => [
  '---',
  'apiVersion: rbac.authorization.k8s.io/v1',
  'kind: Role',
  `metadata: { name: ${name}, namespace: ${namespace} }`,
  'rules:',
  ...rules(rights),
]

const rules = (rights: readonly Right[]): string[] =>
  rights.flatMap(({ group, resource, names, verbs }) => [
    `  - apiGroups: [${group === '' ? '""' : group}]`,
    `    resources: [${resource}]`,
    ...(names ? [`    resourceNames: [${names.join(', ')}]`] : []),
    `    verbs: [${verbs.join(', ')}]`,
  ])

/** Account and namespace stand in the name: these are the cluster's own, and there may be two deployers. */
const everywhere = ({ name, namespace }: RbacOrder['account'], rights: readonly Right[]): string[] => [
  '---',
  'apiVersion: rbac.authorization.k8s.io/v1',
  'kind: ClusterRole',
  `metadata: { name: ${namespace}.${name}.previews }`,
  'rules:',
  ...rules(rights),
  '---',
  'apiVersion: rbac.authorization.k8s.io/v1',
  'kind: ClusterRoleBinding',
  `metadata: { name: ${namespace}.${name}.previews }`,
  `roleRef: { apiGroup: rbac.authorization.k8s.io, kind: ClusterRole, name: ${namespace}.${name}.previews }`,
  `subjects: [{ kind: ServiceAccount, name: ${name}, namespace: ${namespace} }]`,
]

const binding = (namespace: string, account: RbacOrder['account']): string[] => [
  '---',
  'apiVersion: rbac.authorization.k8s.io/v1',
  'kind: RoleBinding',
  `metadata: { name: ${account.name}, namespace: ${namespace} }`,
  `roleRef: { apiGroup: rbac.authorization.k8s.io, kind: Role, name: ${account.name} }`,
  `subjects: [{ kind: ServiceAccount, name: ${account.name}, namespace: ${account.namespace} }]`,
]

/** How to make a kubeconfig for that account, as a shell script that people read and run. */
export const kubeconfigSteps = ({ account }: Pick<RbacOrder, 'account'>): string => `#!/bin/sh
# Makes the file taxiway.kubeconfig for ${account.name}, with its token inside. Run it where kubectl is an admin's.
# The token never ends; to end it, delete the Secret. Register the file, then remove it:
#   PUT /api/v1/clusters/NAME  {"kubeconfig": "…"}
set -eu
umask 077
kubectl apply -f - <<END
apiVersion: v1
kind: Secret
type: kubernetes.io/service-account-token
metadata:
  name: ${account.name}-kubeconfig
  namespace: ${account.namespace}
  annotations: { kubernetes.io/service-account.name: ${account.name} }
END
field() { kubectl -n ${account.namespace} get secret ${account.name}-kubeconfig -o "jsonpath={.data['$1']}"; }
until [ -n "$(field token)" ]; do sleep 1; done
cat > taxiway.kubeconfig <<END
apiVersion: v1
kind: Config
current-context: taxiway
contexts: [{ name: taxiway, context: { cluster: taxiway, user: ${account.name} } }]
clusters:
  - name: taxiway
    cluster:
      server: $(kubectl config view --minify -o 'jsonpath={.clusters[0].cluster.server}')
      certificate-authority-data: $(field 'ca\\.crt')
users: [{ name: ${account.name}, user: { token: $(field token | base64 -d) } }]
END
`
