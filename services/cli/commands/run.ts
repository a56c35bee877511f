import { readFile } from 'node:fs/promises'
import { parseArgs } from 'node:util'
import { connectEngine, ping } from '@taxiway/docker/engine/engine.ts'
import type { PlannedImage } from '@taxiway/domain/plan/images.ts'
import type { Plan } from '@taxiway/domain/plan/plan.ts'
import type { PlannedTest } from '@taxiway/domain/plan/tests.ts'
import { exitCodes } from '../exit-codes.ts'
import { refusalLines } from '../plan-text.ts'
import { buildHere } from '../run/build.ts'
import { beginSession, type Session } from '../run/session.ts'
import { testHere } from '../run/test.ts'
import { makeScreen } from '../screen.ts'
import { findTree, planTree } from '../working-tree.ts'

const usage = `Usage: taxiway run [options]

Builds and tests the working tree as it is, with what is not committed, on the engine that DOCKER_HOST names. Secrets come from
the environment, by the same names. Nothing is published or deployed. Ctrl-C stops, and removes what was made.

  --only TEST         only this test, and the images it needs; may be given more than once
  --no-build-cache    build every step anew
`

interface Choice {
  only: string[]
  noCache: boolean
}

/** `taxiway run`: builds and tests the working tree on the local engine. */
export async function run(args: string[]): Promise<number> {
  const { values } = parseArgs({
    args,
    options: {
      only: { type: 'string', multiple: true },
      'no-build-cache': { type: 'boolean' },
      help: { type: 'boolean', short: 'h' },
    },
  })
  if (values.help) {
    process.stdout.write(usage)
    return exitCodes.good
  }
  const tree = await findTree(process.cwd())
  const planned = await planTree(tree, { ignoreOn: true })
  if (!planned.ok) {
    const text = tree.file === undefined ? '' : await readFile(tree.file, 'utf8').catch(() => '')
    const lines = tree.file === undefined ? [planned.reason.message] : refusalLines(planned, tree.file, text)
    process.stderr.write(`${lines.join('\n')}\n`)
    return exitCodes.bad
  }
  const { plan } = planned.value
  const only = (values.only ?? []).flatMap((names) => names.split(','))
  const unknown = only.find((name) => !plan.tests.some((test) => isNamed(test, name)))
  if (unknown !== undefined) {
    const known = plan.tests.map(({ name }) => name).join(', ') || 'none'
    process.stderr.write(`taxiway run: there is no test ${unknown}; there are: ${known}.\n`)
    return exitCodes.usage
  }
  const choice = { only, noCache: values['no-build-cache'] ?? false }
  return interruptible(async (signal) => {
    const engine = connectEngine(process.env.DOCKER_HOST ? { dockerHost: process.env.DOCKER_HOST } : {})
    const screen = makeScreen(secretValues(plan))
    if (!(await ping(engine, signal))) {
      screen.bad(`The Docker engine at ${engine.where} does not answer. Start it, or set DOCKER_HOST.`)
      return exitCodes.bad
    }
    const session = await beginSession({ tree, engine, screen, signal })
    try {
      return await work(session, plan, choice)
    } finally {
      await session.cleanUp()
    }
  })
}

const isNamed = (test: PlannedTest, name: string) => test.name === name || test.key === name

const secretValues = ({ images, tests }: Plan): string[] =>
  [...images, ...tests, ...tests.flatMap(({ services }) => services ?? [])]
    .flatMap(({ secrets }) => secrets ?? [])
    .flatMap((name) => process.env[name] ?? [])

/** The first Ctrl-C ends the work in order, a second one at once. */
async function interruptible(work: (signal: AbortSignal) => Promise<number>): Promise<number> {
  const interrupted = new AbortController()
  const onSignal = () => {
    if (interrupted.signal.aborted) process.exit(exitCodes.interrupted)
    process.stderr.write('\nStopping, and removing what was made…\n')
    interrupted.abort()
  }
  for (const name of ['SIGINT', 'SIGTERM'] as const) process.on(name, onSignal)
  try {
    return await work(interrupted.signal)
  } catch (error) {
    if (!interrupted.signal.aborted) throw error
    return exitCodes.interrupted
  } finally {
    for (const name of ['SIGINT', 'SIGTERM'] as const) process.off(name, onSignal)
  }
}

async function work(session: Session, plan: Plan, { only, noCache }: Choice): Promise<number> {
  const { screen } = session
  const tests = plan.tests.filter((test) => only.length === 0 || only.some((name) => isNamed(test, name)))
  const images = only.length === 0 ? plan.images : imagesFor(plan, tests)
  const leftOut = notHere(plan, images, tests)
  if (leftOut.length > 0) screen.note(`not done here: ${leftOut.join(', ')}`)
  if (plan.checkout?.history) screen.note('checkout: .git is given by the server only, builds here get none')
  const built = new Map<string, string>()
  for (const image of images) {
    screen.stage(`build ${image.name} from ${image.dockerfile}`)
    const result = await buildHere(session, { image, built, noCache })
    if (!result.ok) {
      screen.bad(result.reason.message)
      return exitCodes.bad
    }
    built.set(image.name, result.value)
  }
  const { failed, passed } = await runTests(session, plan, tests, { built, noCache })
  if (failed.length === 0) {
    screen.good(`${count(images.length, 'image')} built, ${count(passed, 'test')} passed`)
    return exitCodes.good
  }
  screen.bad(`failed: ${failed.join('; ')}`)
  return exitCodes.bad
}

const count = (number: number, what: string) => `${number} ${what}${number === 1 ? '' : 's'}`

/** All tests in order, but for those that need one that failed. @returns which failed and why, and how many passed */
async function runTests(
  session: Session,
  plan: Plan,
  tests: PlannedTest[],
  deps: { built: Map<string, string>; noCache: boolean },
): Promise<{ failed: string[]; passed: number }> {
  const { screen } = session
  const failed: string[] = []
  let passed = 0
  const notPassed = new Set<string>()
  for (const test of tests) {
    const missing = test.needs?.find((need) => notPassed.has(need))
    if (missing !== undefined) {
      screen.note(`test ${test.name} is left out: it needs ${missing}`)
      notPassed.add(test.key ?? test.name)
      continue
    }
    screen.stage(`test ${test.name}`)
    const startedMs = performance.now()
    const failure = await testHere(session, test, { plan, ...deps })
    const seconds = ((performance.now() - startedMs) / 1000).toFixed(1)
    if (failure === undefined) {
      passed += 1
      screen.good(`${test.name} passed in ${seconds} s`)
    } else if (test.allowFailure) screen.note(`${test.name} failed, which it may: ${failure}`)
    else {
      screen.bad(`${test.name} failed after ${seconds} s: ${failure}`)
      failed.push(`${test.name} (${failure})`)
      notPassed.add(test.key ?? test.name)
    }
  }
  return { failed, passed }
}

/** The images that these tests and their services run in, and what those are made from. */
function imagesFor(plan: Plan, tests: PlannedTest[]): PlannedImage[] {
  const wanted = new Set(tests.flatMap(({ image, services = [] }) => [image, ...services.map((one) => one.image)]))
  for (const { name, from } of plan.images.toReversed())
    if (wanted.has(name)) for (const base of Object.values(from ?? {})) wanted.add(base)
  return plan.images.filter(({ name }) => wanted.has(name))
}

/** What a server would do and a local run does not, in words. */
function notHere(plan: Plan, images: PlannedImage[], tests: PlannedTest[]): string[] {
  const of = (what: string, names: string[]) => (names.length > 0 ? [`${what} ${names.join(', ')}`] : [])
  const namesOf = (has: (test: PlannedTest) => unknown) => [
    ...new Set(tests.filter(has).map(({ key, name }) => key ?? name)),
  ]
  return [
    ...of(
      'other platforms of',
      images.filter(({ platforms }) => platforms).map(({ name }) => name),
    ),
    ...of(
      'cache of',
      namesOf(({ caches }) => caches),
    ),
    ...of(
      'reports of',
      namesOf(({ junit }) => junit),
    ),
    ...of(
      'artifacts of',
      namesOf(({ artifacts }) => artifacts),
    ),
    ...(images.length > 0 ? ['publish'] : []),
    ...of(
      'deploy to',
      plan.environments.map(({ name }) => name),
    ),
  ]
}
