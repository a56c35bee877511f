import Type from 'typebox'
import { EnvironmentCondition } from './environment-state.ts'
import { releaseStates } from './event.ts'
import { name } from './pipeline-parts.ts'

/** What an admin rules for an environment of a repository; it stands above what a pipeline file says. */
export const EnvironmentRules = Type.Object({}, { additionalProperties: false, $id: 'EnvironmentRules' })
export type EnvironmentRules = Type.Static<typeof EnvironmentRules>

/** A name of an environment, as in the pipeline file. */
export const EnvironmentName = Type.String({ pattern: name, description: 'The name of the environment.' })

/** A release as the API answers it; newest first in its history. */
export const ReleaseView = Type.Object(
  {
    environment: Type.String(),
    generation: Type.Integer(),
    state: Type.Enum([...releaseStates] as string[]),
    runId: Type.String(),
    runUrl: Type.String(),
    sha: Type.String(),
    target: Type.String(),
    namespace: Type.String(),
    images: Type.Array(Type.String(), { description: 'References with digest.' }),
    at: Type.Optional(Type.String({ format: 'date-time' })),
  },
  { $id: 'Release' },
)

/** An environment as the API answers it. */
export const EnvironmentView = Type.Object(
  {
    name: Type.String(),
    rules: EnvironmentRules,
    live: Type.Optional(ReleaseView),
    state: Type.Optional(EnvironmentCondition),
  },
  { $id: 'Environment' },
)
