import { pullSecret } from '@taxiway/domain/cluster/rights.ts'
import { done, type Outcome, refuse } from '@taxiway/domain/reason.ts'
import { type Cluster, messageOf, type Wait } from './cluster/call.ts'
import { type KubeObject, keys, secretPath } from './object.ts'

/** By registry host: who we are to it. */
export type PullCredentials = Readonly<Record<string, { username: string; password: string }>>

/** The name that Docker Hub has in files with credentials. */
const hubKey = 'https://index.docker.io/v1/'

/** The file with credentials as nodes read it (`kubernetes.io/dockerconfigjson`). */
function configOf(credentials: PullCredentials): string {
  const auths = Object.entries(credentials).map(([host, { username, password }]) => {
    const auth = Buffer.from(`${username}:${password}`).toString('base64')
    return [host === 'docker.io' ? hubKey : host, { username, password, auth }]
  })
  return JSON.stringify({ auths: Object.fromEntries(auths) })
}

const secretIn = (namespace: string, credentials: PullCredentials) => ({
  apiVersion: 'v1',
  kind: 'Secret',
  metadata: { name: pullSecret, namespace, labels: { [keys.managedBy]: 'taxiway' } },
  type: 'kubernetes.io/dockerconfigjson',
  data: { '.dockerconfigjson': Buffer.from(configOf(credentials)).toString('base64') },
})

/** Do pods of these objects pull with the credentials of the namespace? */
export const pullsWith = (value: unknown): boolean =>
  typeof value === 'object' &&
  value !== null &&
  Object.entries(value).some(([key, inner]) =>
    key === 'imagePullSecrets' && Array.isArray(inner)
      ? inner.some((one) => one?.name === pullSecret)
      : pullsWith(inner),
  )

/** May this account make the Secret? Changes nothing; the namespace need not be there. */
export async function mayGivePull(cluster: Cluster, namespace: string, wait: Wait): Promise<Outcome<boolean>> {
  for (const verb of ['create', 'patch']) {
    const resourceAttributes = { namespace, group: '', resource: 'secrets', name: pullSecret, verb }
    const body = {
      apiVersion: 'authorization.k8s.io/v1',
      kind: 'SelfSubjectAccessReview',
      spec: { resourceAttributes },
    }
    const path = '/apis/authorization.k8s.io/v1/selfsubjectaccessreviews'
    const answer = await cluster.call<KubeObject & { status?: { allowed?: boolean } }>(
      { method: 'POST', path, body },
      wait,
    )
    if (!answer.ok) return answer
    if (answer.value.body.status?.allowed !== true) return done(false)
  }
  return done(true)
}

/** Makes the Secret by which nodes pull images in this namespace, or brings it up to date. Nothing of it is read or told. */
export async function givePull(
  cluster: Cluster,
  namespace: string,
  credentials: PullCredentials,
  wait: Wait,
): Promise<Outcome<void>> {
  const answer = await cluster.call(
    {
      method: 'PATCH',
      path: secretPath(namespace, pullSecret),
      query: { fieldManager: 'taxiway', force: 'true' },
      contentType: 'application/apply-patch+yaml',
      body: secretIn(namespace, credentials),
      may403: true,
    },
    wait,
  )
  if (!answer.ok) return answer
  if (answer.value.status < 300) return done(undefined)
  const detail =
    answer.value.status === 403
      ? 'this account may not make the Secret for pulling images; give it the rights that "taxiway cluster rbac --secrets" prints'
      : `Secret ${pullSecret}: ${messageOf(answer.value.body)}`
  return refuse('cluster_forbidden', { detail })
}
