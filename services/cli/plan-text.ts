import { type FileProblem, type InvalidFile, withExcerpts } from '@taxiway/domain/pipeline/read.ts'
import type { PlannedEnvironment } from '@taxiway/domain/plan/environment.ts'
import type { PlannedImage } from '@taxiway/domain/plan/images.ts'
import type { Plan } from '@taxiway/domain/plan/plan.ts'
import type { PlannedTest } from '@taxiway/domain/plan/tests.ts'
import type { Reason } from '@taxiway/domain/reason.ts'

/** A plan as a short list for people, one line for each thing that is done. */
export function planLines({ images, tests, environments, ignored }: Plan): string[] {
  const rows = [
    ...images.map((image) => ['build', image.name, imageWords(image)]),
    ...tests.map((test) => ['test', test.name, testWords(test)]),
    ...environments.map((environment) => ['deploy', environment.name, environmentWords(environment)]),
  ]
  if (rows.length === 0) return [`  nothing is done${ignored === undefined ? '' : `: ${ignored}`}`]
  const width = Math.min(30, Math.max(...rows.map(([, name = '']) => name.length)))
  return rows.map(([what = '', name = '', words]) => `  ${what.padEnd(6)}  ${name.padEnd(width)}  ${words}`)
}

function environmentWords(environment: PlannedEnvironment): string {
  const { namespace, manifests, components, approval, windows, timezone } = environment
  return [
    `${components ? components.map(({ name }) => name).join(', ') : manifests} to namespace ${namespace}`,
    ...(approval ? ['once a person approves'] : []),
    ...(windows ? [`in ${windows.join(' or ')} ${timezone ?? 'UTC'}`] : []),
  ].join(', ')
}

function imageWords({ context, dockerfile, target, from, platforms }: PlannedImage): string {
  return [
    context === '.' ? dockerfile : `${dockerfile} in ${context}`,
    ...(target ? [`stage ${target}`] : []),
    ...(from ? [`from ${Object.values(from).join(', ')}`] : []),
    ...(platforms ? [`for ${platforms.join(', ')}`] : []),
  ].join(', ')
}

function testWords(test: PlannedTest): string {
  const { run, services, needs, retry, allowFailure } = test
  const [first = '', ...more] = Array.isArray(run) ? run : [`stage ${run.buildTarget} of the Dockerfile`]
  const command = first.split('\n')[0] ?? ''
  return [
    `in ${test.image}: ${command.length > 60 ? `${command.slice(0, 59)}…` : command}`,
    ...(more.length > 0 ? [`${more.length} more command${more.length === 1 ? '' : 's'}`] : []),
    ...(services ? [`with ${services.map(({ name }) => name).join(', ')}`] : []),
    ...(needs && needs.length > 0 ? [`after ${needs.join(', ')}`] : []),
    `at most ${durationWords(test.timeoutMs)}`,
    ...(retry ? [`up to ${retry + 1} tries`] : []),
    ...(allowFailure ? ['may fail'] : []),
  ].join(', ')
}

const durationWords = (ms: number): string => {
  if (ms % 3_600_000 === 0) return `${ms / 3_600_000}h`
  return ms % 60_000 === 0 ? `${ms / 60_000}m` : `${ms / 1000}s`
}

/** What is wrong with a pipeline file: all problems that are known, else the reason. */
export const refusalLines = (refused: { reason: Reason } | InvalidFile, file: string, text: string): string[] =>
  'problems' in refused ? problemLines(refused.problems, file, text) : [`${file}: ${refused.reason.message}`]

/** Problems in the form of compilers: `.taxiway.yaml:7:5: test.unit.timout: unknown key`, and the line. */
export function problemLines(problems: readonly FileProblem[], file: string, text: string): string[] {
  return withExcerpts(problems, text).flatMap(({ line, column, message, excerpt }) => [
    `${[file, line, column].filter((part) => part !== undefined).join(':')}: ${message}`,
    ...(excerpt?.split('\n').map((one) => `    ${one}`) ?? []),
  ])
}
