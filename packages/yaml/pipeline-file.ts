import type { Pipeline } from '@taxiway/domain/pipeline/pipeline.ts'
import { type LineOf, readPipeline } from '@taxiway/domain/pipeline/read.ts'
import { done, type Outcome, refuse } from '@taxiway/domain/reason.ts'
import { parseYaml } from './parse.ts'

/** Reads the text of a `.taxiway.yaml`, which may be anybody's: the pipeline, and where its keys stand, or what is wrong. */
export async function readPipelineFile(
  text: Buffer | string,
  options: { patienceMs?: number } = {},
): Promise<Outcome<{ pipeline: Pipeline; lineOf: LineOf }>> {
  const parsed = await parseYaml(text, {
    refusal: (detail) => refuse('config_invalid', { detail }),
    documents: 'one',
    ...options,
  })
  if (!parsed.ok) return parsed
  const document = parsed.value.documents[0]
  const lineOf: LineOf = (path) => document?.lineOf(path)
  const pipeline = readPipeline(document?.value, lineOf)
  return pipeline.ok ? done({ pipeline: pipeline.value, lineOf }) : pipeline
}
