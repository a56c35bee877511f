import Value from 'typebox/value'
import { isTimeZone } from '../environment/windows.ts'
import { strategyProblem } from '../plan/strategy.ts'
import { done, oneLine, type Reason, refuse } from '../reason.ts'
import { deployProblem } from './deploy-problem.ts'
import { excerptOf } from './excerpt.ts'
import { matrixProblems } from './matrix-problem.ts'
import { didYouMean, nearest } from './nearest.ts'
import { Pipeline, testImage } from './pipeline.ts'
import { plainSchema } from './published.ts'
import { findProblems, type Problem } from './schema-problem.ts'

/** Where something stands in the file, from 1; of what is no text, as it is written there. */
export interface Place {
  line: number
  column: number
  source?: string
}
/** Finds the place of a path in the file, for messages. */
export type PlaceOf = (path: (string | number)[]) => Place | undefined

/** One thing that is wrong with a pipeline file. */
export interface FileProblem {
  line?: number
  column?: number
  /** With the path of what it is about: `test.unit.timout: unknown key`. */
  message: string
}
/** The problems, each with the line of the file that it is about. */
export const withExcerpts = (problems: readonly FileProblem[], text: string): (FileProblem & { excerpt?: string })[] =>
  problems.map((problem) => {
    const { line, column } = problem
    const excerpt = line === undefined ? undefined : excerptOf(text, { line, ...(column ? { column } : {}) })
    return { ...problem, ...(excerpt === undefined ? {} : { excerpt }) }
  })

/** All that is wrong with a file; its reason tells the first, and how many more. */
export interface InvalidFile {
  ok: false
  reason: Reason
  problems: FileProblem[]
}

/** More are not told. */
const mostProblems = 20

/** The refusal of a file with these problems. */
export function invalidFile(problems: FileProblem[]): InvalidFile {
  const [first] = problems
  const more = problems.length - 1
  const rest = more > 0 ? ` (and ${more} more ${more === 1 ? 'problem' : 'problems'}; taxiway lint shows all)` : ''
  const line = first?.line ? `line ${first.line}: ` : ''
  const detail = oneLine(`${line}${first?.message ?? 'it is not valid'}`, 400)
  return { ...refuse('config_invalid', { detail: `${detail}${rest}` }), problems: problems.slice(0, mostProblems) }
}

/** Problems of a parsed file, each with its place. */
export function locate(problems: readonly Problem[], placeOf: PlaceOf): FileProblem[] {
  return problems.map(({ path, detail }) => {
    const place = placeOf(path) ?? placeOf(path.slice(0, -1))
    const where = path.length > 0 ? `${path.join('.')}: ` : ''
    return { ...(place ? { line: place.line, column: place.column } : {}), message: oneLine(`${where}${detail}`, 400) }
  })
}

/** Checks parsed YAML against the schema. Messages name the line, the path and the nearest known key. */
export function readPipeline(value: unknown, placeOf: PlaceOf): { ok: true; value: Pipeline } | InvalidFile {
  const problems = findProblems(plainSchema(), value, (path) => placeOf(path)?.source)
  if (problems.length > 0) return invalidFile(locate(problems, placeOf))
  if (!Value.Check(Pipeline, value)) return invalidFile([{ message: 'it does not fit the schema' }])
  if (globCharacters(value) > mostGlobCharacters)
    return invalidFile([{ message: `its globs have more than ${mostGlobCharacters} characters in all` }])
  const broken = [...imageProblems(value), ...testProblems(value), ...environmentProblems(value)]
  return broken.length > 0 ? invalidFile(locate(broken, placeOf)) : done(value)
}

/** Whatever they are, so many are held against a name in moments. */
const mostGlobCharacters = 20_000

const globCharacters = ({ on, images = {}, test = {}, deploy = {} }: Pipeline): number =>
  [
    ...[on?.push?.branches, on?.push?.paths, on?.tag, on?.pull_request?.branches, on?.pull_request?.paths],
    ...Object.values(images).map(({ paths }) => paths),
    ...Object.values(test).flatMap(({ when }) => [when?.branch, when?.paths]),
    ...Object.values(deploy).map((environment) => environment.on?.branch),
  ].reduce((sum, globs) => sum + [globs ?? []].flat().reduce((inner, { length }) => inner + length, 0), 0)

function imageProblems(pipeline: Pipeline): Problem[] {
  const built = new Set<string>()
  return Object.entries(pipeline.images ?? {}).flatMap(([key, image]) => {
    const missing = Object.values(image.from ?? {}).filter((name) => !built.has(name))
    const problems = missing.map((name) => ({
      path: ['images', key, 'from'],
      detail: `${name} is not an image above this one${didYouMean(name, built)}`,
    }))
    built.add(key)
    return problems
  })
}

/** Of a container; a volume in the place of one of them starts nothing, or breaks what is in it. */
const systemFolders = new Set(['proc', 'sys', 'dev'])

function testProblems(pipeline: Pipeline): Problem[] {
  const seen = new Set<string>()
  return Object.entries(pipeline.test ?? {}).flatMap(([key, test]) => {
    const problems: Problem[] = []
    const tell = (path: (string | number)[], detail: string) => problems.push({ path: ['test', key, ...path], detail })
    const names = Object.keys(pipeline.images ?? {})
    const image = testImage(pipeline, test)
    if (image === undefined) tell([], 'name its image: this pipeline has not exactly one')
    else if (!names.includes(image) && isWord(image))
      tell(['image'], `${image} is not one of this pipeline's images${orTag(image, names)}`)
    for (const [name, service] of Object.entries(test.services ?? {}))
      if (!names.includes(service.image) && isWord(service.image) && nearest(service.image, names))
        tell(
          ['services', name, 'image'],
          `${service.image} is not one of this pipeline's images${didYouMean(service.image, names)}`,
        )
    for (const { path, detail } of test.matrix ? matrixProblems(test.matrix) : []) tell(['matrix', ...path], detail)
    for (const [index, { path }] of (test.cache ?? []).entries()) {
      const parts = path.split('/').filter((part) => part !== '' && part !== '.')
      const isSystem = parts.length === 0 || parts.includes('..') || systemFolders.has(parts[0] ?? '')
      if (isSystem) tell(['cache', index, 'path'], `${path} can't be kept: it is the system's own folder`)
    }
    for (const need of test.needs ?? [])
      if (!seen.has(need)) tell(['needs'], `${need} is not a test above this one${didYouMean(need, seen)}`)
    seen.add(key)
    return problems
  })
}

/** Neither tag nor path: in a test such a word means an image of the pipeline, so that no slip fetches a stranger's. */
const isWord = (image: string) => !/[.:/@]/.test(image)
const orTag = (image: string, names: string[]) =>
  didYouMean(image, names) || `; one of a registry has its tag, like ${image}:latest`

function environmentProblems(pipeline: Pipeline): Problem[] {
  const seen = new Set<string>()
  return Object.entries(pipeline.deploy ?? {}).flatMap(([key, environment]) => {
    const problems: Problem[] = []
    const tell = (path: (string | number)[], detail: string) =>
      problems.push({ path: ['deploy', key, ...path], detail })
    const { after, timezone } = environment
    if (after !== undefined && !seen.has(after))
      tell(['after'], `${after} is not an environment above this one${didYouMean(after, seen)}`)
    if (timezone !== undefined && !isTimeZone(timezone))
      tell(['timezone'], `${timezone} is no time zone like Europe/Berlin`)
    const problem =
      deployProblem(pipeline, environment) ?? strategyProblem(environment, Object.keys(pipeline.images ?? {}))
    if (problem) tell(problem.path, problem.detail)
    seen.add(key)
    return problems
  })
}
