import Type from 'typebox'
import { globPattern } from '../glob.ts'

// What the pipeline's schema is put together from.
// The first sentence of a description that stands beside a pattern or a choice says what the value must be: messages quote it.

/** A key nobody knows is refused. */
export const strict = { additionalProperties: false } as const
/** Pattern of names of images, tests, services and environments. */
export const name = '^[a-z0-9]([-a-z0-9]{0,38}[a-z0-9])?$'
/** Pattern of names of variables and secrets. */
export const variable = '^[A-Za-z_][A-Za-z0-9_]{0,99}$'
/** Names -> what they stand for. */
export const named = <T extends Type.TSchema>(value: T, description: string) =>
  Type.Record(Type.String({ pattern: name }), value, { additionalProperties: false, maxProperties: 50, description })
/** Variables -> text. */
export const variables = (description: string) =>
  Type.Record(Type.String({ pattern: variable }), Type.String({ maxLength: 65536 }), {
    additionalProperties: false,
    maxProperties: 200,
    description,
  })
/** A name of something else in the pipeline. */
export const Name = Type.String({ pattern: name, description: 'A name with lower-case letters, digits and dashes.' })
/** Text that is not empty. */
export const text = (maxLength: number, description: string) => Type.String({ minLength: 1, maxLength, description })
/** An amount of memory or disk. */
export const size = (description: string) =>
  Type.String({ pattern: '^[1-9][0-9]{0,6}(Mi|Gi)$', description: `A size like 512Mi or 4Gi. ${description}` })
/** Of a container of a test. */
export const memory = size('Its memory. More than 2Gi takes the place of other tests. Default: 2Gi.')
export const shm = size('Its /dev/shm, which counts as its memory. Default: 64Mi.')
/** What reads commands. */
export const shell = Type.String({
  pattern: '^[A-Za-z0-9_./+-]{1,200}$',
  description:
    'The name or path of a shell of the image that takes the commands of sh, like bash. bash knows pipefail: a pipe fails with any part of it. Default: sh.',
})
/** An absolute path in a container. */
export const inContainer = (description: string) =>
  Type.String({ pattern: '^/', maxLength: 500, description: `An absolute path in the container. ${description}` })
/** A clock of the machine can be set for 24 days and no longer: beyond that it rings at once. */
export const longestDuration = '500h'
/** Pattern of durations up to that. */
export const durationPattern = '^([1-9][0-9]{0,4}s|([1-9][0-9]{0,3}|[12][0-9]{4})m|([1-9][0-9]?|[1-4][0-9]{2}|500)h)$'
/** A time that something may take. */
export const timeout = (description: string) =>
  Type.String({
    pattern: durationPattern,
    description: `A duration like 90s, 10m or 1h. ${description}`,
  })
const leavesOut = 'one that begins with ! leaves out again'
/** A glob of branches, tags or files. */
export const glob = Type.String({
  minLength: 1,
  maxLength: 255,
  pattern: globPattern,
  description: 'A glob of *, **, ?, [a-z] and {a,b}.',
})
const listOf = (description: string) => Type.Array(glob, { minItems: 1, maxItems: 50, description })
/** Globs of branches or tags. */
export const globs = (of: 'branches' | 'tags', description: string) =>
  listOf(`Globs of ${of}; ${leavesOut}. ${description}`)
/** Globs of files. */
export const paths = (description: string) => listOf(`Globs of files; ${leavesOut}. ${description}`)
/** Names of secrets. */
export const SecretNames = Type.Array(
  Type.String({ pattern: variable, description: 'The name of a secret: letters, digits and underscores.' }),
  { maxItems: 50, description: 'Secrets of the repository, by name. Only trusted refs get them.' },
)
/** When a registry is asked what the tag of an image stands for. */
export type PullPolicy = 'always' | 'if-not-present' | 'never'
/** The choice of that for some images. */
export const pull = (description: string) =>
  Type.Union([Type.Literal('always'), Type.Literal('if-not-present'), Type.Literal('never')], { description })
/** An image of the pipeline, or any other. */
export const imageRef = (description: string) =>
  Type.String({ pattern: '^[A-Za-z0-9][A-Za-z0-9._:/@-]{0,254}$', description })
/** An input of a manual run. */
export const Input = Type.Object(
  {
    description: Type.Optional(Type.String({ maxLength: 500, description: 'Shown beside the field.' })),
    default: Type.Optional(Type.String({ maxLength: 1000, description: 'The value when none is given.' })),
    options: Type.Optional(
      Type.Array(Type.String({ maxLength: 1000 }), {
        minItems: 1,
        maxItems: 50,
        description: 'The only values that are taken.',
      }),
    ),
  },
  { ...strict, description: 'A value that is asked for when a run is started by hand.' },
)
/** A DNS name. */
export const hostName = (description: string) =>
  Type.String({ pattern: '^[a-z0-9{]([-a-z0-9.{}]{0,251}[a-z0-9}])?$', description })
