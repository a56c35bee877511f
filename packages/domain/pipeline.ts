import Type from 'typebox'
import Value from 'typebox/value'
import { done, type Outcome, oneLine, refuse } from './reason.ts'

const strict = { additionalProperties: false } as const
const name = '^[a-z0-9]([-a-z0-9]{0,38}[a-z0-9])?$'
const named = <T extends Type.TSchema>(value: T, description: string) =>
  Type.Record(Type.String({ pattern: name }), value, { additionalProperties: false, maxProperties: 50, description })
const repoPath = Type.String({ minLength: 1, maxLength: 500 })
const Timeout = Type.String({ pattern: '^[1-9][0-9]{0,4}(s|m|h)$', description: 'Like 90s, 10m or 1h.' })
const Globs = Type.Array(Type.String({ minLength: 1, maxLength: 255 }), { maxItems: 50 })

const Image = Type.Object(
  {
    context: Type.Optional(repoPath),
    dockerfile: Type.Optional(repoPath),
    target: Type.Optional(Type.String({ pattern: '^[A-Za-z0-9][A-Za-z0-9_.-]{0,127}$' })),
    args: Type.Optional(
      Type.Record(Type.String({ pattern: '^[A-Za-z_][A-Za-z0-9_]*$' }), Type.String({ maxLength: 4096 })),
    ),
  },
  strict,
)
const Test = Type.Object(
  {
    image: Type.String({ minLength: 1, maxLength: 255, description: 'An image of this pipeline.' }),
    run: Type.Array(Type.String({ minLength: 1, maxLength: 65536 }), {
      minItems: 1,
      maxItems: 100,
      description: 'Shell commands; the first that fails ends the test.',
    }),
    env: Type.Optional(
      Type.Record(Type.String({ pattern: '^[A-Za-z_][A-Za-z0-9_]*$' }), Type.String({ maxLength: 65536 })),
    ),
    workdir: Type.Optional(Type.String({ pattern: '^/', maxLength: 500 })),
    timeout: Type.Optional(Timeout),
    services: Type.Optional(Type.Record(Type.String(), Type.Unknown(), { description: 'Not supported yet.' })),
  },
  strict,
)
const Deploy = Type.Object(
  {
    on: Type.Optional(Type.Object({ branch: Type.Union([Type.String({ minLength: 1 }), Globs]) }, strict)),
    namespace: Type.Optional(Type.String({ pattern: '^[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?$' })),
    manifests: Type.Optional(repoPath),
    after: Type.Optional(Type.String({ pattern: name })),
    approval: Type.Optional(Type.Literal('required', { description: 'Not supported yet.' })),
    timeout: Type.Optional(Timeout),
  },
  strict,
)

/** `.taxiway.yaml`, version 1: the schema is the source of the types, the messages and the editors' JSON Schema. */
export const Pipeline = Type.Object(
  {
    version: Type.Literal(1),
    on: Type.Optional(
      Type.Object(
        {
          push: Type.Optional(Type.Object({ branches: Type.Optional(Globs) }, strict)),
          tag: Type.Optional(Globs),
          pull_request: Type.Optional(Type.Object({}, strict)),
        },
        strict,
      ),
    ),
    images: Type.Optional(named(Image, 'What is built, by name.')),
    test: Type.Optional(named(Test, 'What must pass before anything is deployed.')),
    deploy: Type.Optional(named(Deploy, 'Where it goes, by environment.')),
  },
  { ...strict, title: 'Taxiway pipeline', description: '.taxiway.yaml version 1' },
)
export type Pipeline = Type.Static<typeof Pipeline>

/** Finds the line of a path in the file, for messages. */
export type LineOf = (path: (string | number)[]) => number | undefined

/** Checks parsed YAML against the schema. The message names the line, the path and the nearest known key. */
export function readPipeline(value: unknown, lineOf: LineOf): Outcome<Pipeline> {
  const refusal = (path: (string | number)[], detail: string) => {
    const line = lineOf(path) ?? lineOf(path.slice(0, -1))
    const where = path.length > 0 ? `${path.join('.')}: ` : ''
    return refuse('config_invalid', { detail: oneLine(`${line ? `line ${line}: ` : ''}${where}${detail}`, 400) })
  }
  const error = firstError(Value.Errors(Pipeline, value) as SchemaError[])
  if (error) {
    const path = pathOf(error.instancePath)
    const unknown = error.keyword === 'additionalProperties' ? error.params?.additionalProperties?.[0] : undefined
    if (unknown === undefined) return refusal(path, explain(error))
    const known = knownKeys(path)
    if (known.length === 0) return refusal([...path, unknown], 'a name has lower-case letters, digits and dashes')
    const near = nearest(unknown, known)
    return refusal(
      [...path, unknown],
      `unknown key${near ? `, did you mean ${near}?` : `; known are ${known.join(', ')}`}`,
    )
  }
  return checkReferences(value as Pipeline, refusal)
}

const explain = (error: SchemaError) =>
  error.keyword === 'const' ? `must be ${JSON.stringify(error.params?.allowedValue)}` : error.message

interface SchemaError {
  keyword: string
  instancePath: string
  message: string
  params?: { additionalProperties?: string[]; allowedValue?: unknown }
}

const pathOf = (pointer: string) =>
  pointer
    .split('/')
    .slice(1)
    .map((part) => part.replaceAll('~1', '/').replaceAll('~0', '~'))

/** Unknown keys are the likeliest slip, so they are told first; "boolean schema is false" only repeats them. */
const firstError = (errors: SchemaError[]): SchemaError | undefined =>
  errors.find((error) => error.keyword === 'additionalProperties') ??
  errors.find((error) => error.keyword !== 'boolean') ??
  errors[0]

/** The keys the schema knows at a path; empty where any name may stand. */
function knownKeys(path: (string | number)[]): string[] {
  let schema: unknown = Pipeline
  for (const part of path) {
    const at = schema as { properties?: Record<string, unknown>; patternProperties?: Record<string, unknown> }
    schema = at.properties?.[part] ?? Object.values(at.patternProperties ?? {})[0]
  }
  return Object.keys((schema as { properties?: object } | undefined)?.properties ?? {})
}

/** The candidate at most two edits away (Levenshtein), if there is one. */
function nearest(word: string, candidates: string[]): string | undefined {
  const distance = (a: string, b: string) => {
    let row = Array.from({ length: b.length + 1 }, (_, index) => index)
    for (let i = 1; i <= a.length; i++) {
      const next = [i]
      for (let j = 1; j <= b.length; j++)
        next[j] = Math.min(
          (row[j] ?? 0) + 1,
          (next[j - 1] ?? 0) + 1,
          (row[j - 1] ?? 0) + (a[i - 1] === b[j - 1] ? 0 : 1),
        )
      row = next
    }
    return row[b.length] ?? 0
  }
  const ranked = candidates
    .map((candidate) => ({ candidate, far: distance(word.slice(0, 40), candidate) }))
    .sort((a, b) => a.far - b.far)
  return ranked[0] && ranked[0].far <= 2 ? ranked[0].candidate : undefined
}

function checkReferences(
  pipeline: Pipeline,
  refusal: (path: (string | number)[], detail: string) => Outcome<never>,
): Outcome<Pipeline> {
  for (const [key, test] of Object.entries(pipeline.test ?? {})) {
    if (!pipeline.images?.[test.image])
      return refusal(['test', key, 'image'], `${test.image} is not one of this pipeline's images`)
    if (test.services) return refuse('config_unsupported', { detail: `test.${key}.services` })
  }
  const seen = new Set<string>()
  for (const [key, environment] of Object.entries(pipeline.deploy ?? {})) {
    if (environment.approval) return refuse('config_unsupported', { detail: `deploy.${key}.approval` })
    if (environment.after !== undefined && !seen.has(environment.after))
      return refusal(['deploy', key, 'after'], `${environment.after} is not an environment above this one`)
    seen.add(key)
  }
  return done(pipeline)
}
