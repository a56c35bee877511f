import Type from 'typebox'
import { words } from '../schemas.ts'

/** What people change in an environment between two releases, and what is noted there. */
export const changeKinds = ['scale', 'restart', 'drift', 'correct', 'delete'] as const
/** What becomes of the objects of an environment that is deleted. */
export const Objects = words(['delete', 'keep'] as const)
/** waiting: a deployer carries it out as soon as nothing is rolled out. done, refused: it has. noted: nobody asked for it. */
export const changeStates = ['waiting', 'done', 'refused', 'noted'] as const

/** A change of an environment, as it is kept and as the API answers it. */
export const Change = Type.Object(
  {
    id: Type.Integer(),
    kind: words(changeKinds),
    state: words(changeStates),
    workload: Type.Optional(Type.String({ description: 'Kind/name' })),
    replicas: Type.Optional(Type.Integer()),
    objects: Type.Optional(Objects),
    who: Type.String({ description: 'Name of the token, or of who changed an object past Taxiway.' }),
    at: Type.String({ format: 'date-time' }),
    generation: Type.Integer({ description: 'Of the release that was live then.' }),
    finishedAt: Type.Optional(Type.String({ format: 'date-time' })),
    detail: Type.Optional(Type.String()),
    reason: Type.Optional(Type.Object({ code: Type.String(), message: Type.String() })),
  },
  { $id: 'Change' },
)
export type Change = Type.Static<typeof Change>

/** What is asked of a workload. */
export const Scale = Type.Object(
  {
    workload: Type.String({ minLength: 1, maxLength: 300, description: 'Its name, or Kind/name.' }),
    replicas: Type.Integer({ minimum: 0, maximum: 1000 }),
  },
  { additionalProperties: false },
)
export const Restart = Type.Pick(Scale, ['workload'], { additionalProperties: false })

/** Replicas by `Kind/name` that people chose, and the generation of the release that they chose them for. */
export interface ByHand {
  generation: number
  replicas: Record<string, number>
}
