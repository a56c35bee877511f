import { type ClusterCheck, ClusterName, ClusterView, NamespaceName } from '@taxiway/domain/cluster/cluster.ts'
import { type ClusterAccess, readKubeconfig } from '@taxiway/domain/cluster/kubeconfig.ts'
import { done, type Outcome, refuse } from '@taxiway/domain/reason.ts'
import type { Store } from '@taxiway/store/store.ts'
import { parseYaml } from '@taxiway/yaml/parse.ts'
import Type from 'typebox'
import type { Api, ApiDeps } from '../api.ts'
import { sendOutcome } from '../errors.ts'

const Params = Type.Object({ name: ClusterName })
const namespace = Type.Optional({
  ...NamespaceName,
  description: 'Tell also what the account may do in this namespace.',
})
const force = Type.Optional(Type.Boolean({ description: 'Register it although it does not answer.' }))
const Body = Type.Object(
  {
    kubeconfig: Type.Optional(
      Type.String({
        minLength: 1,
        maxLength: 256 * 1024,
        description: 'With certificates, keys and tokens inside. Kept encrypted, never shown again.',
      }),
    ),
    context: Type.Optional(
      Type.String({ minLength: 1, maxLength: 253, description: 'One of its contexts; its current one, unless told.' }),
    ),
    inCluster: Type.Optional(
      Type.Literal(true, { description: "The deployer's own cluster, by the account of its pod." }),
    ),
    namespace,
    force,
  },
  { additionalProperties: false },
)
const CheckBody = Type.Object({ namespace }, { additionalProperties: false })
/** A look at a cluster takes a deployer at most 8 s; the rest is to find one. */
const checkMs = 12_000

/** Register, list, read, check and remove the clusters that deployers roll out to. */
export function clusterRoutes(app: Api, { store }: ApiDeps): void {
  readRoutes(app, store)
  registerRoute(app, store)
  checkRoute(app, store)
  removeRoute(app, store)
}

function readRoutes(app: Api, { clusters }: Store): void {
  app.get(
    '/clusters',
    {
      config: { scope: 'admin' },
      schema: {
        response: { 200: Type.Object({ items: Type.Array(ClusterView) }) },
        tags: ['clusters'],
        summary: 'List the registered clusters',
      },
    },
    async () => ({ items: await clusters.list() }),
  )
  app.get(
    '/clusters/:name',
    {
      config: { scope: 'admin' },
      schema: { params: Params, response: { 200: ClusterView }, tags: ['clusters'], summary: 'Read a cluster' },
    },
    async (request, reply) => {
      const cluster = await clusters.read(request.params.name)
      return sendOutcome(reply, cluster ? done(cluster) : refuse('not_found', { what: 'cluster' }))
    },
  )
}

function registerRoute(app: Api, { clusters }: Store): void {
  app.put(
    '/clusters/:name',
    {
      config: { scope: 'admin' },
      schema: {
        params: Params,
        body: Body,
        response: { 200: ClusterView },
        tags: ['clusters'],
        summary: 'Register a cluster, or give it new credentials; a deployer looks at it first',
      },
    },
    async (request, reply) => {
      const { name } = request.params
      const access = await readAccess(request.body)
      if (!access.ok) return sendOutcome(reply, access)
      const cluster = await clusters.seal(name, access.value)
      const check = await clusters.check(asked(name, cluster.sealed, request.body.namespace), checkMs)
      const usable = judge(name, check)
      if (!usable.ok && !request.body.force) return sendOutcome(reply, usable)
      await clusters.save(name, cluster)
      if (check) await clusters.keepCheck(name, cluster, check)
      return sendOutcome(reply, done(await clusters.read(name)))
    },
  )
}

const asked = (name: string, sealed: string, namespace: string | undefined) => ({
  name,
  sealed,
  ...(namespace === undefined ? {} : { namespace }),
})

async function readAccess(body: Type.Static<typeof Body>): Promise<Outcome<ClusterAccess>> {
  const { kubeconfig, context, inCluster } = body
  if ((kubeconfig === undefined) === (inCluster === undefined) || (inCluster && context))
    return refuse('input_invalid', {
      detail: 'give either a kubeconfig, with a context if you want, or "inCluster": true',
    })
  if (kubeconfig === undefined) return done({ inCluster: true })
  const parsed = await parseYaml(kubeconfig, {
    // What is wrong with the text is not told: it might quote a key.
    refusal: () => refuse('kubeconfig_refused', { detail: 'it is not one document of plain YAML' }),
    documents: 'one',
  })
  return parsed.ok ? readKubeconfig(parsed.value.documents[0]?.value, context) : parsed
}

function judge(name: string, check: ClusterCheck | undefined): Outcome<void> {
  if (!check) return refuse('cluster_unchecked', { name, seconds: checkMs / 1000 })
  if (check.usable) return done(undefined)
  return refuse('cluster_unusable', { name, detail: check.problem ?? 'it does not answer' })
}

function checkRoute(app: Api, { clusters }: Store): void {
  app.post(
    '/clusters/:name/check',
    {
      config: { scope: 'admin' },
      schema: {
        params: Params,
        body: CheckBody,
        response: { 200: ClusterView },
        tags: ['clusters'],
        summary: 'Have a deployer look at a cluster again',
      },
    },
    async (request, reply) => {
      const { name } = request.params
      const cluster = await clusters.stored(name)
      if (!cluster) return sendOutcome(reply, refuse('not_found', { what: 'cluster' }))
      const check = await clusters.check(asked(name, cluster.sealed, request.body.namespace), checkMs)
      if (!check) return sendOutcome(reply, judge(name, check))
      await clusters.keepCheck(name, cluster, check)
      const { sealed: _, revision: __, ...shown } = cluster
      return reply.send({ name, ...shown, check })
    },
  )
}

function removeRoute(app: Api, store: Store): void {
  app.delete(
    '/clusters/:name',
    {
      config: { scope: 'admin' },
      schema: { params: Params, response: { 204: Type.Null() }, tags: ['clusters'], summary: 'Remove a cluster' },
    },
    async (request, reply) => {
      const { name } = request.params
      const by = await userOf(store, name)
      if (by) return sendOutcome(reply, refuse('cluster_in_use', { name, by }))
      const removed = await store.clusters.remove(name)
      return sendOutcome(reply, removed ? done(null) : refuse('not_found', { what: 'cluster' }), 204)
    },
  )
}

/** What names the cluster: without it the name might come to mean a context of the deployer's kubeconfig. */
async function userOf({ repositories, environments }: Store, name: string): Promise<string | undefined> {
  for (const { id, name: repository, deploy } of await repositories.list()) {
    if (deploy.cluster === name || deploy.clusters?.includes(name)) return `repository ${repository} (deploy)`
    for (const environment of await environments.names(id))
      if ((await environments.rules(id, environment)).cluster === name)
        return `the rules of environment ${environment} of repository ${repository}`
  }
  return undefined
}
