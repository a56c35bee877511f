import { isInfrastructure } from '@taxiway/domain/fault.ts'
import { adviceFor } from '@taxiway/domain/pipeline/advice.ts'
import { misnamedPipeline, pipelineFile } from '@taxiway/domain/pipeline/file-name.ts'
import { type LintFor, lintContext } from '@taxiway/domain/pipeline/lint-context.ts'
import { listed, missingIn } from '@taxiway/domain/pipeline/missing.ts'
import { type FileProblem, type InvalidFile, invalidFile, locate, withExcerpts } from '@taxiway/domain/pipeline/read.ts'
import { makePlan, type Plan } from '@taxiway/domain/plan/plan.ts'
import { done, type Outcome, reason, refuse } from '@taxiway/domain/reason.ts'
import { type PlanEvent, planEvents } from '@taxiway/domain/run/cause.ts'
import { readPipelineFile } from '@taxiway/yaml/pipeline-file.ts'
import Type from 'typebox'
import type { Api } from '../api.ts'
import { sendReason } from '../errors.ts'

const maxBytes = 256 * 1024
const yamlTypes = ['text/yaml', 'application/yaml', 'application/x-yaml', 'text/plain']
const maxOrderBytes = 2 ** 20
const Order = Type.Object(
  {
    file: Type.String({ description: 'The text of .taxiway.yaml.' }),
    files: Type.Optional(
      Type.Array(Type.String({ minLength: 1, maxLength: 1000 }), {
        maxItems: 20_000,
        description:
          'Paths of all files of the tree, as git ls-files writes them: then what the pipeline names and the tree has not is told, too.',
      }),
    ),
    branch: Type.Optional(
      Type.String({ minLength: 1, maxLength: 255, description: 'Or tag. Default: main, or v1.0.0.' }),
    ),
    event: Type.Optional(Type.Unsafe<PlanEvent>(Type.Enum([...planEvents], { description: 'Default: push.' }))),
  },
  { additionalProperties: false },
)
/** Comes as bytes, so that what is not UTF-8 is told as such. */
const Text = { description: 'The text of .taxiway.yaml, as it is.' }
const Told = Type.Object({
  line: Type.Optional(Type.Integer()),
  column: Type.Optional(Type.Integer()),
  message: Type.String(),
  excerpt: Type.Optional(Type.String({ description: 'The line, and under it a mark at the column.' })),
})
const Answer = Type.Object({
  ok: Type.Boolean(),
  plan: Type.Optional(Type.Unsafe<Plan>({ type: 'object', additionalProperties: true })),
  reason: Type.Optional(Type.Object({ code: Type.String(), message: Type.String() })),
  problems: Type.Optional(Type.Array(Told, { description: 'All that is wrong with the file, up to 20.' })),
  advice: Type.Optional(Type.Array(Told, { description: 'What is right as it stands, and likely not meant.' })),
})

/** Checks a pipeline file without a commit, and against a tree where its paths are given: the plan it makes, or what is wrong with it. Nothing is kept. */
export function lintRoutes(app: Api): void {
  app.register(async (scoped) => {
    // What comes as plain text is a file, too; fastify would read that as text for all routes.
    scoped.removeContentTypeParser('text/plain')
    for (const type of yamlTypes)
      scoped.addContentTypeParser(type, { parseAs: 'buffer' }, (_request, body, done) => done(null, body))
    scoped.post(
      '/lint',
      {
        config: { scope: 'read' },
        bodyLimit: maxOrderBytes,
        schema: {
          body: {
            content: {
              'application/json': { schema: Order },
              ...Object.fromEntries(yamlTypes.map((type) => [type, { schema: Text }])),
            },
          },
          response: { 200: Answer },
          tags: ['lint'],
          summary: 'Check a pipeline file',
        },
      },
      async (request, reply) => {
        // A call without a body has no type either, and comes past the schema.
        const body = (request.body ?? { file: '' }) as Buffer | Type.Static<typeof Order>
        const order = Buffer.isBuffer(body) ? { file: body } : body
        if (Buffer.byteLength(order.file) > maxBytes)
          return sendReason(reply, reason('body_too_large', { limitMb: maxBytes / 2 ** 20 }))
        const found = await planOf(order)
        // Nothing is known of the file then.
        if (!found.ok && isInfrastructure(found.reason.code)) return sendReason(reply, found.reason)
        const text = order.file.toString()
        if (found.ok) {
          const { plan, advice } = found.value
          return { ok: true, plan, ...(advice.length > 0 ? { advice: withExcerpts(advice, text) } : {}) }
        }
        const problems = 'problems' in found ? withExcerpts(found.problems, text) : undefined
        return { ok: false, reason: found.reason, ...(problems ? { problems } : {}) }
      },
    )
  })
}

type Linted = { file: Buffer | string; files?: string[] } & LintFor

async function planOf({
  file,
  files,
  ...of
}: Linted): Promise<Outcome<{ plan: Plan; advice: FileProblem[] }> | InvalidFile> {
  const read = await readPipelineFile(file)
  if (!read.ok) return read
  const { pipeline, placeOf } = read.value
  // Beside the right one, it may be a link to that: the list doesn't say.
  const misnamed = files?.includes(pipelineFile) ? undefined : misnamedPipeline(files ?? [])
  if (misnamed !== undefined) return refuse('config_misnamed', { found: misnamed, beside: false })
  const has = files && listed(files)
  const missing = has ? await missingIn(pipeline, has) : []
  if (missing.length > 0) return invalidFile(locate(missing, placeOf))
  const plan = makePlan(pipeline, lintContext(of))
  if (!plan.ok) return plan
  return done({ plan: plan.value, advice: has ? locate(await adviceFor(pipeline, has), placeOf) : [] })
}
