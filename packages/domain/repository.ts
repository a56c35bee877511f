import Type from 'typebox'
import type { RepositoryId } from './ids.ts'
import { glob } from './pipeline/parts.ts'

/** Where a repository's releases go: a context of the kubeconfig, and the namespace when the pipeline names none. */
export const DeployDefaults = Type.Object(
  {
    cluster: Type.Optional(
      Type.String({
        minLength: 1,
        maxLength: 253,
        description: "A registered cluster, or a context of the deployer's kubeconfig.",
      }),
    ),
    clusters: Type.Optional(
      Type.Array(Type.String({ minLength: 1, maxLength: 253 }), {
        maxItems: 50,
        description: 'Further clusters that its pipeline files may name. Without it, they may name only that one.',
      }),
    ),
    namespace: Type.Optional(Type.String({ pattern: '^[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?$' })),
    previews: Type.Optional(
      Type.Integer({
        minimum: 0,
        maximum: 1000,
        description:
          'So many previews of its pull requests may stand at a time, whatever its pipeline files say; 0: none. Default: 20.',
      }),
    ),
    target: Type.Optional(Type.Union([Type.Literal('kubernetes'), Type.Literal('docker')])),
  },
  { additionalProperties: false },
)
export type DeployDefaults = Type.Static<typeof DeployDefaults>

/** Which of its pushes start runs, and how many. */
const rules = {
  branches: Type.Optional(
    Type.Array(glob, {
      maxItems: 50,
      description:
        'Globs of the branches that start runs; one that begins with ! leaves out again. Without it, the default branch does.',
    }),
  ),
  tags: Type.Optional(
    Type.Array(glob, {
      maxItems: 50,
      description:
        'Globs of the tags that start runs, if the pipeline file allows them too; one that begins with ! leaves out again. Without it, none does.',
    }),
  ),
  pullRequests: Type.Optional(
    Type.Union([Type.Literal('none'), Type.Literal('members'), Type.Literal('all')], {
      description:
        "Whose pull requests start runs: nobody's, those from branches of this repository, or those of forks too, " +
        'without secrets, publishing and deploying.',
    }),
  ),
  maxRuns: Type.Optional(
    Type.Integer({
      minimum: 0,
      maximum: 1000,
      description: 'How many of its runs are built at a time; 0 is no limit.',
    }),
  ),
}

/** What an admin sends to register a repository. */
export const Registration = Type.Object(
  {
    host: Type.Literal('github', { description: 'The kind of git host.' }),
    url: Type.String({ maxLength: 500, description: 'Clone URL: https://host/owner/name.git' }),
    apiUrl: Type.Optional(
      Type.String({ maxLength: 500, description: 'Base of the REST API, for GitHub Enterprise and compatible hosts.' }),
    ),
    token: Type.Optional(
      Type.String({ minLength: 1, maxLength: 1000, description: 'Reads the code and posts statuses. Kept encrypted.' }),
    ),
    ...rules,
    deploy: Type.Optional(DeployDefaults),
  },
  { additionalProperties: false },
)
export type Registration = Type.Static<typeof Registration>

/** What an admin may change later. */
export const RepositoryChange = Type.Partial(Type.Omit(Registration, ['host']), {
  additionalProperties: false,
  minProperties: 1,
})
export type RepositoryChange = Type.Static<typeof RepositoryChange>

/** A registered repository, as the record holds it and the API shows it. Secret values live apart, encrypted. */
export const Repository = Type.Object(
  {
    id: Type.Unsafe<RepositoryId>(Type.String()),
    host: Registration.properties.host,
    name: Type.String({ description: 'owner/name' }),
    registeredAs: Type.Optional(
      Type.String({
        description:
          'The name that it was registered by, when it has another now: what is called after the repository keeps that.',
      }),
    ),
    hostId: Type.Optional(Type.Integer({ description: "The git host's own number of it, once a delivery told." })),
    url: Type.String(),
    apiUrl: Type.String(),
    ...rules,
    deploy: DeployDefaults,
    createdAt: Type.String({ format: 'date-time' }),
  },
  { $id: 'Repository' },
)
export type Repository = Type.Static<typeof Repository>
