import { type Ran, runContainer } from '@taxiway/docker/container.ts'
import { type Owner, objectName, workLabels } from '@taxiway/docker/labels.ts'
import { createRunNetwork, removeNetwork } from '@taxiway/docker/network.ts'
import type { PlannedTest } from '@taxiway/domain/plan.ts'
import { done, type Outcome, oneLine, refuse } from '@taxiway/domain/reason.ts'
import type { StageContext } from '@taxiway/store/stage.ts'
import { type BuildDeps, buildOne } from './build.ts'

export interface TestDeps extends BuildDeps {
  /** Image name -> image id, as just built. */
  images: Map<string, string>
}
const limits = { memoryMb: 2048, cpus: 2, pids: 512 } as const

/** Runs every test of the plan, one after another, each in a container of its own made from the image just built. */
export async function test(stage: StageContext, deps: TestDeps): Promise<Outcome<void>> {
  for (const one of deps.tree.plan.tests) {
    stage.log.say(`test ${one.name}`)
    const outcome = Array.isArray(one.run)
      ? await runCommands(stage, deps, one, one.run)
      : await buildTarget(stage, deps, one, one.run.buildTarget)
    if (!outcome.ok) return outcome
  }
  if (deps.tree.plan.tests.length === 0) stage.log.say('no tests')
  return done(undefined)
}

/** The implied test: building the Dockerfile's stage named `test` is the test. */
async function buildTarget(
  stage: StageContext,
  deps: TestDeps,
  planned: PlannedTest,
  target: string,
): Promise<Outcome<void>> {
  const image = deps.tree.plan.images.find(({ name }) => name === planned.image)
  if (!image) return refuse('image_not_found', { image: planned.image })
  const built = await buildOne(stage, deps, image, target)
  if (built.ok) return done(undefined)
  if (built.reason.code !== 'build_failed') return built
  return refuse('test_failed', { test: planned.name, exit: 1, detail: lastWords(stage) })
}

async function runCommands(
  stage: StageContext,
  { config, engine, images }: TestDeps,
  planned: PlannedTest,
  commands: string[],
): Promise<Outcome<void>> {
  const owner: Owner = {
    run: stage.run.id,
    attempt: stage.run.attempt,
    step: `test-${planned.name}`,
    repository: stage.run.repository,
  }
  const name = objectName(owner)
  const network = await createRunNetwork(engine, { name, labels: workLabels(owner) }, stage.signal)
  if (!network.ok) return network
  try {
    const ran = await runContainer(engine, {
      name,
      image: images.get(planned.image) ?? planned.image,
      command: ['sh', '-ec', script(commands)],
      env: {
        CI: 'true',
        TAXIWAY: 'true',
        TAXIWAY_SHA: stage.run.sha,
        TAXIWAY_BRANCH: stage.run.branch,
        ...planned.env,
      },
      ...(planned.workdir ? { workdir: planned.workdir } : {}),
      labels: workLabels(owner),
      network: name,
      ...limits,
      diskMb: config.limits.testDiskMb,
      timeoutMs: planned.timeoutMs,
      signal: stage.signal,
      onOutput: (chunk) => stage.log.write(chunk),
    })
    if (!ran.ok) return ran
    return verdict(stage, planned, ran.value)
  } finally {
    // What can't be removed now is found by its labels later.
    await removeNetwork(engine, name).catch(() => undefined)
  }
}

/** One shell for all commands, each shown before it runs; the first that fails ends the test. */
const script = (commands: string[]) =>
  commands.map((command) => `printf '%s\\n' ${quote(`$ ${command}`)}\n${command}`).join('\n')
const quote = (text: string) => `'${text.replaceAll("'", `'\\''`)}'`

function verdict(stage: StageContext, planned: PlannedTest, ran: Ran): Outcome<void> {
  if (ran.timedOut) return refuse('timeout', { step: `Test ${planned.name}`, seconds: planned.timeoutMs / 1000 })
  if (ran.met) return refuse('resource_limit', { step: `Test ${planned.name}`, ...ran.met })
  if (ran.oomKilled) return refuse('out_of_memory', { step: `Test ${planned.name}`, limitMb: limits.memoryMb })
  if (ran.exitCode !== 0)
    return refuse('test_failed', { test: planned.name, exit: ran.exitCode, detail: lastWords(stage) })
  return done(undefined)
}

/** The last line the test printed, as the likeliest cause. */
const lastWords = (stage: StageContext): string => oneLine(stage.log.lastLines(1)[0] ?? '', 200).replace(/[.:]+$/, '')
