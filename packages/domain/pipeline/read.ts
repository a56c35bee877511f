import Value from 'typebox/value'
import { isTimeZone } from '../environment/windows.ts'
import { strategyProblem } from '../plan/strategy.ts'
import { done, type Outcome, oneLine, refuse } from '../reason.ts'
import { deployProblem } from './deploy-problem.ts'
import { nearest } from './nearest.ts'
import { Pipeline, testImage } from './pipeline.ts'
import { plainSchema } from './published.ts'
import { findProblem } from './schema-problem.ts'

/** Finds the line of a path in the file, for messages. */
export type LineOf = (path: (string | number)[]) => number | undefined

/** Checks parsed YAML against the schema. The message names the line, the path and the nearest known key. */
export function readPipeline(value: unknown, lineOf: LineOf): Outcome<Pipeline> {
  const refusal: Refusal = (path, detail) => {
    const line = lineOf(path) ?? lineOf(path.slice(0, -1))
    const where = path.length > 0 ? `${path.join('.')}: ` : ''
    return refuse('config_invalid', { detail: oneLine(`${lineWords(line)}${where}${detail}`, 400) })
  }
  const problem = findProblem(plainSchema(), value)
  if (problem) return refusal(problem.path, problem.detail)
  if (!Value.Check(Pipeline, value)) return refusal([], 'it does not fit the schema')
  return checkReferences(value, refusal)
}

const lineWords = (line: number | undefined) => (line ? `line ${line}: ` : '')
const didYouMean = (word: string, candidates: Iterable<string>): string => {
  const near = nearest(word, [...candidates])
  return near ? `; did you mean ${near}?` : ''
}

/** Tests that one matrix may make: its product grows faster than people think. */
const maxCases = 100

type Refusal = (path: (string | number)[], detail: string) => Outcome<never>

function checkReferences(pipeline: Pipeline, refusal: Refusal): Outcome<Pipeline> {
  const built = new Set<string>()
  for (const [key, image] of Object.entries(pipeline.images ?? {})) {
    const missing = Object.values(image.from ?? {}).find((name) => !built.has(name))
    if (missing)
      return refusal(['images', key, 'from'], `${missing} is not an image above this one${didYouMean(missing, built)}`)
    built.add(key)
  }
  return checkTests(pipeline, refusal)
}

function checkTests(pipeline: Pipeline, refusal: Refusal): Outcome<Pipeline> {
  const seen = new Set<string>()
  for (const [key, test] of Object.entries(pipeline.test ?? {})) {
    const image = testImage(pipeline, test)
    if (image === undefined) return refusal(['test', key], 'name its image: this pipeline has not exactly one')
    const names = Object.keys(pipeline.images ?? {})
    if (!names.includes(image) && isWord(image))
      return refusal(['test', key, 'image'], `${image} is not one of this pipeline's images${orTag(image, names)}`)
    for (const [name, service] of Object.entries(test.services ?? {}))
      if (!names.includes(service.image) && isWord(service.image) && nearest(service.image, names))
        return refusal(
          ['test', key, 'services', name, 'image'],
          `${service.image} is not one of this pipeline's images${didYouMean(service.image, names)}`,
        )
    const cases = Object.values(test.matrix ?? {}).reduce((product, values) => product * values.length, 1)
    if (cases > maxCases) return refusal(['test', key, 'matrix'], `makes ${cases} tests, and may make ${maxCases}`)
    const missing = test.needs?.find((need) => !seen.has(need))
    if (missing)
      return refusal(['test', key, 'needs'], `${missing} is not a test above this one${didYouMean(missing, seen)}`)
    seen.add(key)
  }
  return checkEnvironments(pipeline, refusal)
}

/** Neither tag nor path: in a test such a word means an image of the pipeline, so that no slip fetches a stranger's. */
const isWord = (image: string) => !/[.:/@]/.test(image)
const orTag = (image: string, names: string[]) =>
  didYouMean(image, names) || `; one of a registry has its tag, like ${image}:latest`

function checkEnvironments(pipeline: Pipeline, refusal: Refusal): Outcome<Pipeline> {
  const seen = new Set<string>()
  for (const [key, environment] of Object.entries(pipeline.deploy ?? {})) {
    if (environment.after !== undefined && !seen.has(environment.after))
      return refusal(
        ['deploy', key, 'after'],
        `${environment.after} is not an environment above this one${didYouMean(environment.after, seen)}`,
      )
    if (environment.timezone !== undefined && !isTimeZone(environment.timezone))
      return refusal(['deploy', key, 'timezone'], `${environment.timezone} is no time zone like Europe/Berlin`)
    const problem =
      deployProblem(pipeline, environment) ?? strategyProblem(environment, Object.keys(pipeline.images ?? {}))
    if (problem) return refusal(['deploy', key, ...problem.path], problem.detail)
    seen.add(key)
  }
  return done(pipeline)
}
