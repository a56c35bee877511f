import type { Pipeline } from '@taxiway/domain/pipeline/pipeline.ts'
import {
  type FileProblem,
  type InvalidFile,
  invalidFile,
  type PlaceOf,
  readPipeline,
} from '@taxiway/domain/pipeline/read.ts'
import { done, type Outcome, refuse } from '@taxiway/domain/reason.ts'
import { parseYaml } from './parse.ts'

/** Reads the text of a `.taxiway.yaml`, which may be anybody's: the pipeline, and where its keys stand, or all that is wrong. */
export async function readPipelineFile(
  text: Buffer | string,
  options: { patienceMs?: number } = {},
): Promise<Outcome<{ pipeline: Pipeline; placeOf: PlaceOf }> | InvalidFile> {
  let unreadable: FileProblem | undefined
  const parsed = await parseYaml(text, {
    refusal(detail, { detail: message, place }) {
      unreadable = { ...(place ? { line: place.line, column: place.column } : {}), message }
      return refuse('config_invalid', { detail })
    },
    documents: 'one',
    ...options,
  })
  if (!parsed.ok) return unreadable ? invalidFile([unreadable]) : parsed
  const document = parsed.value.documents[0]
  const placeOf: PlaceOf = (path) => document?.placeOf(path)
  const pipeline = readPipeline(document?.value, placeOf)
  return pipeline.ok ? done({ pipeline: pipeline.value, placeOf }) : pipeline
}
