import { X509Certificate } from 'node:crypto'
import type { ClusterFindings } from '@taxiway/domain/cluster/cluster.ts'
import type { ClusterAccess } from '@taxiway/domain/cluster/kubeconfig.ts'
import { type Right, rightsFor } from '@taxiway/domain/cluster/rights.ts'
import { type Cluster, clusterVersion, messageOf, type Wait } from './call.ts'

/** One question to the cluster: may this account do that? Without a namespace: in all of them. */
interface Question {
  namespace?: string
  group: string
  resource: string
  verb: string
}
const questionsAtOnce = 12

/** Power that no roll-out needs, in the words of a warning. `*` stands for anything. */
const tooMuch: { words: string; questions: Omit<Question, 'namespace'>[] }[] = [
  { words: 'do anything', questions: [{ group: '*', resource: '*', verb: '*' }] },
  {
    words: 'read secrets',
    questions: ['list', 'get'].map((verb) => ({ group: '', resource: 'secrets', verb })),
  },
  {
    words: 'run programs in pods',
    questions: ['pods/exec', 'pods/attach', 'pods/ephemeralcontainers'].map((resource) => ({
      group: '',
      resource,
      verb: 'create',
    })),
  },
  {
    words: 'give rights',
    questions: ['roles', 'clusterroles'].flatMap((resource) =>
      ['create', 'escalate', 'bind'].map((verb) => ({ group: 'rbac.authorization.k8s.io', resource, verb })),
    ),
  },
  {
    words: 'act for others',
    questions: [
      { group: '', resource: 'users', verb: 'impersonate' },
      { group: '', resource: 'serviceaccounts/token', verb: 'create' },
    ],
  },
]

/**
 * Looks a cluster over with the account that was given: does it answer, who are we, what does a roll-out to the namespace
 * need that we may not, and what may we that none needs. Changes nothing in it.
 */
export async function lookOver(
  cluster: Cluster,
  { access, namespace }: { access: ClusterAccess; namespace?: string | undefined },
  wait: Wait,
): Promise<ClusterFindings> {
  const found: ClusterFindings = { where: cluster.where, usable: false, lacks: [], warnings: [] }
  // By a question that needs credentials, as everybody may ask for the version.
  const answer = await ask(cluster, { group: '', resource: 'pods', verb: 'get', namespace: 'default' }, wait)
  if (typeof answer === 'string') return { ...found, problem: answer }
  const version = await clusterVersion(cluster, wait)
  const user = await whoAreWe(cluster, access, wait)
  return {
    ...found,
    usable: true,
    ...(version.ok ? { version: version.value } : {}),
    ...(user ? { user } : {}),
    ...(namespace === undefined ? {} : { namespace, lacks: await lacking(cluster, namespace, wait) }),
    warnings: await warningsOf(cluster, namespace, wait),
  }
}

/** @returns a text when the cluster can't be asked */
async function ask(cluster: Cluster, question: Question, wait: Wait): Promise<boolean | string> {
  const [resource, subresource] = question.resource.split('/')
  const { namespace, group, verb } = question
  const resourceAttributes = { namespace, group, verb, resource, subresource }
  const body = {
    apiVersion: 'authorization.k8s.io/v1',
    kind: 'SelfSubjectAccessReview',
    spec: { resourceAttributes },
  }
  const path = '/apis/authorization.k8s.io/v1/selfsubjectaccessreviews'
  const answer = await cluster.call<{ status?: { allowed?: boolean } }>({ method: 'POST', path, body }, wait)
  if (!answer.ok) return answer.reason.message.replace(/\.$/, '')
  if (answer.value.status >= 300) return `it answers ${answer.value.status} ${messageOf(answer.value.body)}`.trim()
  return answer.value.body.status?.allowed === true
}

/** Which of the questions are answered with yes. One that can't be asked counts as no. */
async function allowed<Q extends Question>(cluster: Cluster, questions: Q[], wait: Wait): Promise<Q[]> {
  const yes: Q[] = []
  for (let at = 0; at < questions.length; at += questionsAtOnce) {
    const some = questions.slice(at, at + questionsAtOnce)
    const answers = await Promise.all(some.map((question) => ask(cluster, question, wait)))
    yes.push(...some.filter((_, index) => answers[index] === true))
  }
  return yes
}

async function lacking(cluster: Cluster, namespace: string, wait: Wait): Promise<string[]> {
  const rights = rightsFor()
  const questions = rights.flatMap(({ group, resource, verbs }) =>
    verbs.map((verb) => ({ namespace, group, resource, verb })),
  )
  const may = new Set(await allowed(cluster, questions, wait))
  const missing = ({ resource }: Right) =>
    questions.filter((question) => question.resource === resource && !may.has(question)).map(({ verb }) => verb)
  const lacks = rights.flatMap((right) =>
    missing(right).length > 0 ? [`${missing(right).join(', ')} ${right.resource}`] : [],
  )
  const there = await cluster.call({ method: 'GET', path: `/api/v1/namespaces/${namespace}`, may403: true }, wait)
  return there.ok && there.value.status === 404 ? ['the namespace itself, which is not there', ...lacks] : lacks
}

async function warningsOf(cluster: Cluster, namespace: string | undefined, wait: Wait): Promise<string[]> {
  const warnings: string[] = []
  for (const { words, questions } of tooMuch) {
    // Who may do anything may do the rest too.
    if (warnings[0]?.startsWith('do anything')) break
    if ((await allowed(cluster, questions, wait)).length > 0) warnings.push(`${words} in every namespace`)
    else if (namespace !== undefined) {
      const here = questions.map((question) => ({ ...question, namespace }))
      if ((await allowed(cluster, here, wait)).length > 0) warnings.push(`${words} in namespace ${namespace}`)
    }
  }
  return warnings
}

/** What the cluster calls us; older ones (before 1.28) say it only where they refuse us. Else what the credentials say. */
async function whoAreWe(cluster: Cluster, access: ClusterAccess, wait: Wait): Promise<string | undefined> {
  const body = { apiVersion: 'authentication.k8s.io/v1', kind: 'SelfSubjectReview' }
  const path = '/apis/authentication.k8s.io/v1/selfsubjectreviews'
  const answer = await cluster.call<{ status?: { userInfo?: { username?: string } } }>(
    { method: 'POST', path, body, may403: true },
    wait,
  )
  if (!answer.ok) return undefined
  const said = answer.value.status === 201 ? answer.value.body.status?.userInfo?.username : undefined
  return said ?? /User "([^"]+)"/.exec(messageOf(answer.value.body))?.[1] ?? nameIn(access)
}

function nameIn(access: ClusterAccess): string | undefined {
  if (access.inCluster) return undefined
  try {
    if ('certificate' in access.credentials)
      return /^CN=(.+)$/m.exec(new X509Certificate(Buffer.from(access.credentials.certificate, 'base64')).subject)?.[1]
    const claims = access.credentials.token.split('.')[1]
    return claims ? JSON.parse(Buffer.from(claims, 'base64url').toString()).sub : undefined
  } catch {
    return undefined
  }
}
