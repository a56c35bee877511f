import Type from 'typebox'
import { name } from '../pipeline/parts.ts'
import { releaseStates } from '../run/parts.ts'
import { containmentRules } from './place.ts'
import { EnvironmentCondition } from './state.ts'
import { windowPattern, zonePattern } from './windows.ts'

/** What an admin rules for an environment of a repository; it stands above what a pipeline file says. */
export const EnvironmentRules = Type.Object(
  {
    ...containmentRules,
    approval: Type.Optional(
      Type.Literal('required', { description: 'Each release waits until a person approved it.' }),
    ),
    approvalTimeoutMinutes: Type.Optional(
      Type.Integer({ minimum: 1, maximum: 43_200, description: "How long. Default: the pipeline's, else a day." }),
    ),
    windows: Type.Optional(
      Type.Array(Type.String({ pattern: windowPattern }), {
        minItems: 1,
        maxItems: 20,
        description: "When releases may begin, like Mon-Thu 09:00-17:00; the pipeline's own windows hold as well.",
      }),
    ),
    timezone: Type.Optional(Type.String({ pattern: zonePattern, description: 'Of the windows. Default: UTC.' })),
    freeze: Type.Optional(
      Type.Object(
        {
          reason: Type.String({ minLength: 1, maxLength: 200 }),
          until: Type.Optional(Type.String({ format: 'date-time', description: 'Default: until it is taken away.' })),
        },
        { additionalProperties: false, description: 'No release begins; a rollback may.' },
      ),
    ),
  },
  { additionalProperties: false, $id: 'EnvironmentRules' },
)
export type EnvironmentRules = Type.Static<typeof EnvironmentRules>

/** Releases failed one after another, one could not be taken back, or a person went back and wants to stay there: later ones wait until a person lifts this. */
export const Hold = Type.Object({ reason: Type.String(), since: Type.String({ format: 'date-time' }) }, { $id: 'Hold' })
export type Hold = Type.Static<typeof Hold>

/** A name of an environment, as in the pipeline file. */
export const FileEnvironmentName = Type.String({ pattern: name, description: 'The name of the environment.' })
/** A name of an environment: as in the pipeline file, or that of a preview. */
export const EnvironmentName = Type.String({
  pattern: name.replace(/\$$/, '(\\.[1-9][0-9]{0,15})?$'),
  description: 'The name of the environment; for a preview with the number of its pull request, like preview.12.',
})

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
    current: Type.Optional(Type.Boolean({ description: 'This is what is live.' })),
    event: Type.Optional(
      Type.String({
        description:
          'What brought it: the event of its run; restore, when a failed release was taken back; adopt for what others had made; recovered for what was read from the cluster.',
      }),
    ),
    runNumber: Type.Optional(Type.Integer()),
    who: Type.Optional(Type.String({ description: 'Who asked for it, or wrote the commit.' })),
    approvedBy: Type.Optional(Type.String()),
    reason: Type.Optional(Type.Object({ code: Type.String(), message: Type.String() })),
    url: Type.Optional(Type.String({ description: 'Of a preview: where people find it.' })),
    repeats: Type.Optional(Type.Integer({ description: 'The generation whose objects it has.' })),
  },
  { $id: 'Release' },
)

/** An environment as the API answers it. */
export const EnvironmentView = Type.Object(
  {
    name: Type.String(),
    rules: EnvironmentRules,
    live: Type.Optional(ReleaseView),
    hold: Type.Optional(Hold),
    state: Type.Optional(EnvironmentCondition),
    preview: Type.Optional(
      Type.Object(
        {
          of: Type.String({ description: 'The environment of the pipeline file; its rules hold here.' }),
          number: Type.Integer({ description: 'Of the pull request.' }),
          url: Type.Optional(Type.String()),
          updatedAt: Type.String({ format: 'date-time' }),
          expiresAt: Type.String({ format: 'date-time', description: 'Unless it is deployed again before.' }),
          trouble: Type.Optional(
            Type.Object(
              { code: Type.String(), message: Type.String() },
              { description: 'Why it could not be removed when that was last tried.' },
            ),
          ),
        },
        { description: 'It is that of a pull request, and goes with it.' },
      ),
    ),
  },
  { $id: 'Environment' },
)
