import { runContainer } from '@taxiway/docker/container/container.ts'
import { causeOf, judge } from '@taxiway/docker/container/judge.ts'
import { makeScript } from '@taxiway/docker/container/script.ts'
import type { Plan } from '@taxiway/domain/plan/plan.ts'
import type { PlannedTest } from '@taxiway/domain/plan/tests.ts'
import { variablesOf } from '@taxiway/domain/plan/variables.ts'
import { contextOf } from '../working-tree.ts'
import { buildHere } from './build.ts'
import { provide, startHere } from './services.ts'
import { builtOr, type Session, secretsOf } from './session.ts'

/** What tests run in. */
export interface TestDeps {
  plan: Plan
  /** Image of the plan -> its name in the engine. */
  built: ReadonlyMap<string, string>
  noCache: boolean
}
const limits = { memoryMb: 2048, pids: 512, graceMs: 2000 } as const

/** Runs one test, as often as it may be tried. @returns undefined when it passed, else why not, for people */
export async function testHere(session: Session, planned: PlannedTest, deps: TestDeps): Promise<string | undefined> {
  let failure: string | undefined
  for (let attempt = 0; attempt <= (planned.retry ?? 0); attempt++) {
    if (failure !== undefined) session.screen.note(`${failure}; try ${attempt + 1} of ${(planned.retry ?? 0) + 1}`)
    failure = await tryOnce(session, planned, deps)
    if (failure === undefined) return undefined
  }
  return failure
}

async function tryOnce(session: Session, planned: PlannedTest, deps: TestDeps): Promise<string | undefined> {
  if (!Array.isArray(planned.run)) return buildStage(session, planned, planned.run.buildTarget, deps)
  const step = `test-${planned.name}`
  const network = session.name(step)
  const made = await session.network(network)
  if (!made.ok) return made.reason.message
  const beside = { test: step, network, built: deps.built }
  const services = await startHere(session, planned.services ?? [], beside)
  try {
    return (
      services.problem?.message ??
      (await runCommands(session, planned, planned.run, { network, image: builtOr(deps.built, planned.image) }))
    )
  } finally {
    await services.stop()
  }
}

/** The implied test: building the stage named `test` is the test. */
async function buildStage(
  session: Session,
  planned: PlannedTest,
  target: string,
  { plan, built, noCache }: TestDeps,
): Promise<string | undefined> {
  const image = plan.images.find(({ name }) => name === planned.image)
  if (!image) return `there is no image ${planned.image}`
  const result = await buildHere(session, { image, built, noCache, target })
  return result.ok ? undefined : result.reason.message
}

async function runCommands(
  session: Session,
  planned: PlannedTest,
  commands: string[],
  { network, image }: { network: string; image: string },
): Promise<string | undefined> {
  const { memoryMb = limits.memoryMb, shmMb } = planned
  const secrets = secretsOf(session, planned.secrets)
  const missing = await provide(session, image)
  if (!missing.ok) return missing.reason.message
  const script = makeScript(commands, planned)
  let words = ''
  const ran = await runContainer(session.engine, {
    name: `${network}-run`,
    image,
    entrypoint: script.entrypoint,
    env: {
      ...variablesOf(contextOf(session.tree)),
      ...planned.env,
      ...secrets,
    },
    ...(planned.workdir ? { workdir: planned.workdir } : {}),
    labels: session.labels(`test-${planned.name}`),
    network,
    cpus: session.cpus,
    ...limits,
    memoryMb,
    ...(shmMb ? { shmMb } : {}),
    timeoutMs: planned.timeoutMs,
    signal: session.signal,
    onOutput: (chunk) => session.screen.output(script.shown(chunk)),
    onEnd: async () => {
      session.screen.output(script.rest())
      words = causeOf(script, [session.screen.lastLine()])
      session.screen.output(script.end())
    },
  })
  if (!ran.ok) return ran.reason.message
  const ending = { memoryMb, words, hasBegun: script.last() !== undefined }
  const { verdict, note } = judge(planned, ran.value, ending)
  if (note) session.screen.note(note.message)
  if (verdict.ok) return undefined
  const isOwnFault = verdict.reason.code === 'test_failed' && words !== ''
  return isOwnFault ? `exit code ${ran.value.exitCode}: ${words}` : verdict.reason.message
}
