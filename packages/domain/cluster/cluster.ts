import Type from 'typebox'
import { name } from '../pipeline/parts.ts'

/** A name of a registered cluster, as pipeline files, rules and repositories give it. */
export const ClusterName = Type.String({ pattern: name, description: 'The name of the cluster.' })

/** A namespace of a cluster. */
export const NamespaceName = Type.String({ pattern: '^[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?$' })

/** What a deployer found when it looked at a cluster with the account that was given. */
export const ClusterCheck = Type.Object(
  {
    at: Type.String({ format: 'date-time' }),
    usable: Type.Boolean({ description: 'It answered, and took the credentials.' }),
    problem: Type.Optional(Type.String({ description: 'Why it is not usable.' })),
    version: Type.Optional(Type.String()),
    user: Type.Optional(Type.String({ description: 'Who the cluster says we are.' })),
    namespace: Type.Optional(Type.String({ description: 'The namespace that rights were asked for.' })),
    lacks: Type.Array(Type.String(), {
      description: 'What a roll-out to the namespace needs and the account may not.',
    }),
    warnings: Type.Array(Type.String(), { description: 'Power that the account has and no roll-out needs.' }),
    words: Type.Array(Type.String(), { description: 'All of it in plain words, one sentence each.' }),
  },
  { $id: 'ClusterCheck' },
)
export type ClusterCheck = Type.Static<typeof ClusterCheck>

/** A registered cluster as the API answers it: never with its credentials. */
export const ClusterView = Type.Object(
  {
    name: Type.String(),
    inCluster: Type.Optional(Type.Boolean({ description: "It is the deployer's own, by the account of its pod." })),
    server: Type.Optional(Type.String({ description: 'The address of its API.' })),
    updatedAt: Type.String({ format: 'date-time' }),
    check: Type.Optional(ClusterCheck),
  },
  { $id: 'Cluster' },
)
export type ClusterView = Type.Static<typeof ClusterView>

/** What was found, without the words for it. */
export type ClusterFindings = Omit<ClusterCheck, 'words' | 'at'> & { where: string }

/** The findings as sentences for people. */
export function tellFindings(found: ClusterFindings): string[] {
  if (!found.usable) return [`${found.where} can't be used: ${found.problem ?? 'it does not answer'}.`]
  const words = [`${found.where} answers: Kubernetes ${found.version ?? 'of an unknown version'}.`]
  words.push(found.user ? `It knows us as ${found.user}.` : 'It does not say who we are.')
  if (found.namespace !== undefined)
    words.push(
      found.lacks.length === 0
        ? `In namespace ${found.namespace} the account may do all that a roll-out needs.`
        : `In namespace ${found.namespace} the account lacks: ${found.lacks.join('; ')}. "taxiway cluster rbac --namespace ${found.namespace}" prints what to apply.`,
    )
  for (const warning of found.warnings) words.push(`More power than roll-outs need: the account may ${warning}.`)
  return words
}
