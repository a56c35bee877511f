import Value from 'typebox/value'
import { Pipeline, testImage } from './pipeline.ts'
import { done, type Outcome, oneLine, refuse } from './reason.ts'

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

/** Keys that the schema has and this version does not carry out yet. */
const notYet = {
  images: ['from', 'labels', 'secrets', 'platforms', 'tags', 'paths'],
  test: ['services', 'matrix', 'needs', 'when', 'retry', 'allow_failure', 'secrets', 'reports', 'artifacts', 'cache'],
  deploy: ['approval'],
} as const

type Refusal = (path: (string | number)[], detail: string) => Outcome<never>

function checkReferences(pipeline: Pipeline, refusal: Refusal): Outcome<Pipeline> {
  const built = new Set<string>()
  for (const [key, image] of Object.entries(pipeline.images ?? {})) {
    const missing = Object.values(image.from ?? {}).find((name) => !built.has(name))
    if (missing) return refusal(['images', key, 'from'], `${missing} is not an image above this one`)
    built.add(key)
  }
  for (const [room, keys] of Object.entries(notYet))
    for (const [name, value] of Object.entries(pipeline[room as keyof typeof notYet] ?? {}))
      for (const key of keys)
        if ((value as Record<string, unknown>)[key] !== undefined)
          return refuse('config_unsupported', { detail: `${room}.${name}.${key}` })
  return checkTests(pipeline, refusal)
}

function checkTests(pipeline: Pipeline, refusal: Refusal): Outcome<Pipeline> {
  const seen = new Set<string>()
  for (const [key, test] of Object.entries(pipeline.test ?? {})) {
    const image = testImage(pipeline, test)
    if (image === undefined) return refusal(['test', key], 'name its image: this pipeline has not exactly one')
    if (!pipeline.images?.[image])
      return refusal(['test', key, 'image'], `${image} is not one of this pipeline's images`)
    const missing = test.needs?.find((need) => !seen.has(need))
    if (missing) return refusal(['test', key, 'needs'], `${missing} is not a test above this one`)
    seen.add(key)
  }
  return checkEnvironments(pipeline, refusal)
}

function checkEnvironments(pipeline: Pipeline, refusal: Refusal): Outcome<Pipeline> {
  const seen = new Set<string>()
  for (const [key, environment] of Object.entries(pipeline.deploy ?? {})) {
    if (environment.after !== undefined && !seen.has(environment.after))
      return refusal(['deploy', key, 'after'], `${environment.after} is not an environment above this one`)
    seen.add(key)
  }
  return done(pipeline)
}
