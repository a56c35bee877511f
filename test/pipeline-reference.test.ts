import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { lintContext } from '@taxiway/domain/pipeline/lint-context.ts'
import { keysOf, plainSchema, publishedSchema, type Schema } from '@taxiway/domain/pipeline/published.ts'
import { makePlan } from '@taxiway/domain/plan/plan.ts'
import { planEvents } from '@taxiway/domain/run/cause.ts'
import { readPipelineFile } from '@taxiway/yaml/pipeline-file.ts'
import { expect, test } from 'vitest'
import { parse } from 'yaml'

const root = join(import.meta.dirname, '..')
const reference = () => readFileSync(join(root, 'docs/reference/pipeline.md'), 'utf8')

test('schema/v1.json is the schema that files are read by', () => {
  const path = join(root, 'schema/v1.json')
  const wanted = `${JSON.stringify(publishedSchema(), null, 2)}\n`
  if (process.env.UPDATE_DOCS) writeFileSync(path, wanted)
  expect(readFileSync(path, 'utf8')).toBe(wanted)
})

test('every key of the schema is described', () => {
  expect(keysOf(plainSchema()).filter(({ schema }) => !schema.description)).toEqual([])
})

/** The type of a key, for the table. */
function typeOf(schema: Schema): string {
  const { type, anyOf, items, properties, patternProperties, minimum, maximum } = schema
  if (schema.const !== undefined) return `\`${schema.const}\``
  if (anyOf?.every((branch) => branch.const !== undefined)) return anyOf.map(typeOf).join(' or ')
  if (anyOf) return [...new Set(anyOf.map(typeOf))].join(' or ')
  if (type === 'array')
    return `list of ${
      items
        ? typeOf(items)
            .replace(/^map\b/, 'maps')
            .replace(/^text$/, 'texts')
        : 'anything'
    }`
  if (type === 'integer') return `whole number, ${minimum} to ${maximum}`
  if (type === 'number') return 'number'
  if (type === 'boolean') return 'true or false'
  if (type === 'string') return /^A duration/.test(schema.description ?? '') ? 'duration' : 'text'
  const named = Object.values(patternProperties ?? {})[0]
  return named && !properties
    ? `map of names to ${typeOf(named)
        .replace(/^map$/, 'maps')
        .replace(/^text$/, 'texts')}`
    : 'map'
}

/** The rows of these rooms: the sentence of the description, its default in a column of its own. */
const rowsOf = (rooms: string[]) => [
  '| key | type | default | what it is |',
  '|---|---|---|---|',
  ...keysOf(plainSchema())
    .filter(({ path }) => rooms.includes(path.split('.')[0] ?? ''))
    .map(({ path, schema, isNeeded }) => {
      const [, before = '', fallback = '', after = ''] =
        /^([\s\S]*?)(?:Default: (.+?)\.(?=\s|$)([\s\S]*))?$/.exec(schema.description ?? '') ?? []
      const sentence = `${before.trim()}${after}`.replace(/^An? (?:duration|absolute path)[^.]*\. /, '')
      return `| \`${path}\` | ${typeOf(schema)} | ${isNeeded ? 'needed' : fallback} | ${sentence} |`.replace(
        /<(?!name>)/g,
        '\\<',
      )
    }),
]

test('the reference has each key of the schema once, with its type, default and sentence, and no other', () => {
  const wanted = reference().replace(
    /(<!-- keys (.*) -->\n)[\s\S]*?(<!-- \/keys -->)/g,
    (_all, before, rooms, after) => `${before}${rowsOf(rooms.split(' ')).join('\n')}\n${after}`,
  )
  if (process.env.UPDATE_DOCS) writeFileSync(join(root, 'docs/reference/pipeline.md'), wanted)
  expect(reference()).toBe(wanted)
  const shown = [...reference().matchAll(/^\| `([^`]+)` \| /gm)].map((match) => match[1])
  expect(shown.sort()).toEqual(
    keysOf(plainSchema())
      .map(({ path }) => path)
      .sort(),
  )
})

const examples = [...reference().matchAll(/^```yaml\n([\s\S]*?)^```/gm)].map((match) => match[1] as string)
test.each(examples)('the example works:\n%s', async (example) => {
  const read = await readPipelineFile(example)
  expect(read).toMatchObject({ ok: true })
  if (!read.ok) return
  const plans = planEvents.map((event) => makePlan(read.value.pipeline, lintContext({ event })))
  expect(plans.filter((plan) => !plan.ok)).toEqual([])
  expect(plans.some((plan) => plan.ok && plan.value.images.length > 0)).toBe(true)
})

test('every key stands in an example', () => {
  const used = new Set(examples.flatMap((example) => pathsOf(parse(example), plainSchema(), '')))
  const unused = keysOf(plainSchema()).filter(({ path }) => !used.has(path))
  expect(unused.map(({ path }) => path)).toEqual([])
})

/** The paths of the schema's keys that a value has. */
function pathsOf(value: unknown, schema: Schema, path: string): string[] {
  if (schema.anyOf) return schema.anyOf.flatMap((branch) => pathsOf(value, branch, path))
  if (Array.isArray(value)) return value.flatMap((item) => pathsOf(item, schema.items ?? {}, `${path}[]`))
  if (typeof value !== 'object' || value === null) return []
  return Object.entries(value).flatMap(([key, inner]) => {
    const below = (name: string) => (path ? `${path}.${name}` : name)
    const known = schema.properties?.[key]
    if (known) return [below(key), ...pathsOf(inner, known, below(key))]
    const named = Object.values(schema.patternProperties ?? {})[0]
    return named ? pathsOf(inner, named, below('<name>')) : []
  })
}
