import { Pipeline } from './pipeline.ts'

/** A JSON Schema, as far as the pipeline's makes use of it. */
export interface Schema {
  type?: 'object' | 'array' | 'string' | 'integer' | 'number' | 'boolean'
  title?: string
  description?: string
  const?: unknown
  anyOf?: Schema[]
  properties?: Record<string, Schema>
  patternProperties?: Record<string, Schema>
  required?: string[]
  maxProperties?: number
  items?: Schema
  minItems?: number
  maxItems?: number
  pattern?: string
  minLength?: number
  maxLength?: number
  minimum?: number
  maximum?: number
}

/** One key of the pipeline file: `test.<name>.retry`. */
export interface SchemaKey {
  path: string
  schema: Schema
  /** Has the map that it stands in to have it? */
  isNeeded: boolean
}

/** The schema as published for editors: JSON Schema 2020-12, each key titled with its path. */
export function publishedSchema(): object {
  const schema = structuredClone(plainSchema())
  for (const { path, schema: key } of keysOf(schema)) key.title ??= path
  const { title, description, ...rest } = schema
  return {
    $schema: 'https://json-schema.org/draft/2020-12/schema',
    $id: 'urn:taxiway:pipeline:v1',
    title,
    description,
    ...rest,
  }
}

/** The pipeline's schema without what only TypeScript sees in it. */
export const plainSchema = (): Schema => JSON.parse(JSON.stringify(Pipeline)) as Schema

/** Every key of a schema, those within others after the one they stand in; a name that people choose is `<name>`. */
export function keysOf(schema: Schema, path = ''): SchemaKey[] {
  const below = (key: string) => (path ? `${path}.${key}` : key)
  const own = Object.entries(schema.properties ?? {}).flatMap(([key, value]) => [
    { path: below(key), schema: value, isNeeded: schema.required?.includes(key) ?? false },
    ...keysOf(value, below(key)),
  ])
  const named = Object.values(schema.patternProperties ?? {}).flatMap((value) => keysOf(value, below('<name>')))
  const items = schema.items ? keysOf(schema.items, `${path}[]`) : []
  return [...own, ...named, ...items, ...(schema.anyOf ?? []).flatMap((branch) => keysOf(branch, path))]
}
