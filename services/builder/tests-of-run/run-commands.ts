import { type Ran, runContainer } from '@taxiway/docker/container/container.ts'
import { causeOf, judge, mostWords } from '@taxiway/docker/container/judge.ts'
import { makeScript } from '@taxiway/docker/container/script.ts'
import { type ServiceOrder, type ServiceState, startServices } from '@taxiway/docker/container/services.ts'
import type { ContainerSpec } from '@taxiway/docker/container/spec.ts'
import { engineCpus } from '@taxiway/docker/engine/engine-info.ts'
import { type Owner, objectName, workLabels } from '@taxiway/docker/engine/labels.ts'
import { createRunNetwork, removeNetwork } from '@taxiway/docker/engine/network.ts'
import { askForGit } from '@taxiway/domain/no-git.ts'
import type { PlannedTest } from '@taxiway/domain/plan/tests.ts'
import { variablesOf } from '@taxiway/domain/plan/variables.ts'
import { done, type Outcome, oneLine, refuse } from '@taxiway/domain/reason.ts'
import { toldOf } from '@taxiway/domain/run/told.ts'
import type { StageContext } from '@taxiway/worker/stage.ts'
import type { StageLog } from '@taxiway/worker/stage-log.ts'
import { tellDigest } from '../images/tell-digest.ts'
import { secretValues } from '../secret-values.ts'
import { mountCaches } from './caches.ts'
import type { TestDeps } from './deps.ts'
import type { Report } from './junit.ts'

/** One try of a test that runs commands. */
export interface Try {
  stage: StageContext
  deps: TestDeps
  planned: PlannedTest
  commands: string[]
  /** Place in the plan: it keeps names apart that look alike. */
  index: number
  log: StageLog
  /** Called while the container that has ended is still there. @returns what its report says */
  onEnd(id: string, ran: Ran): Promise<Report | undefined>
}
/** What each container of a test may use, unless they are too many for the room there is. */
const limits = { memoryMb: 2048, cpus: 2, pids: 512 } as const

/** Runs a test's commands in a container of their own, beside its services, on a network of its own. Its time begins when they are ready. */
export async function runCommands(order: Try): Promise<Outcome<void>> {
  const parts = await prepare(order)
  if (!parts.ok) return parts
  const { stage, deps } = order
  const share = await shareOf(order)
  if (!share.ok) return share
  const giveBack = await deps.slots.take(share.value.places, stage.signal)
  const network = objectName(ownerOf(order))
  try {
    const made = await createRunNetwork(
      deps.engine,
      { name: network, labels: workLabels(ownerOf(order)) },
      stage.signal,
    )
    if (!made.ok) return made
    return await besideServices(order, parts.value, share.value)
  } finally {
    // What can't be removed now is found by its labels later.
    await removeNetwork(deps.engine, network).catch(() => undefined)
    giveBack()
  }
}

const ownerOf = ({ stage, planned, index }: Try, service?: string): Owner => ({
  run: stage.run.id,
  attempt: stage.run.attempt,
  step: `test-${index + 1}-${planned.name.slice(0, 60)}${service ? `-service-${service}` : ''}`,
  repository: stage.run.repository,
})

interface Parts {
  image: string
  services: ServiceOrder[]
  secrets: Record<string, string>
  volumes: NonNullable<ContainerSpec['volumes']>
}

/** All that must be there before anything runs. */
async function prepare(order: Try): Promise<Outcome<Parts>> {
  const { stage, deps, planned, log } = order
  const { engine, store, tree } = deps
  const have = async (user: string, { image, pull }: Pick<PlannedTest, 'image' | 'pull'>): Promise<Outcome<string>> => {
    const built = deps.images.get(image)
    if (built !== undefined) return done(built)
    const provided = await deps.registryImages.provide(image, { signal: stage.signal, say: log.say, pull })
    if (!provided.ok) return provided
    const { id, digest } = provided.value
    await tellDigest({ ...stage, log }, store, user, { name: image, digest: digest ?? id, isImageId: !digest })
    return done(id)
  }
  const secrets = await secretValues(store, stage.run, planned.secrets ?? [])
  if (!secrets.ok) return secrets
  const image = await have(`test ${planned.name} runs in`, planned)
  if (!image.ok) return image
  const services: ServiceOrder[] = []
  for (const service of planned.services ?? []) {
    const found = await have(`service ${service.name} is`, service)
    if (!found.ok) return found
    const given = await secretValues(store, stage.run, service.secrets ?? [])
    if (!given.ok) return given
    services.push({ service, image: found.value, secrets: given.value })
  }
  const caches = { engine, store, run: stage.run, folder: tree.folder, signal: stage.signal, say: log.say }
  const owner = ownerOf(order)
  const look = { name: objectName(owner), image: image.value, labels: workLabels(owner), network: 'none' }
  const volumes = await mountCaches(caches, planned.caches, { ...look, ...limits, cpus: 1 })
  if (!volumes.ok) return volumes
  return done({ image: image.value, services, secrets: secrets.value, volumes: volumes.value })
}

/** What each container may use; `places` of the room for all of them. */
type Share = { places: number; memoryMb: number; cpus: number; pids: number; diskMb: number; files: number }

/**
 * A container takes as many places as the memory that its test asks for, and refuses more than there are. Those that ask for none have less each when
 * they are too many, so that the sum holds.
 */
async function shareOf({ planned, deps: { config, engine, slots } }: Try): Promise<Outcome<Share>> {
  const asked = [planned, ...(planned.services ?? [])].map(({ memoryMb }) => memoryMb)
  const fixed = asked.reduce<number>((sum, memoryMb) => sum + Math.ceil((memoryMb ?? 0) / limits.memoryMb), 0)
  const others = asked.filter((memoryMb) => memoryMb === undefined).length
  const left = slots.most - fixed
  if (left < (others > 0 ? 1 : 0) && fixed > 0) {
    const has = `${(slots.most * limits.memoryMb) / 1024}Gi in all`
    return refuse('option_not_allowed', {
      option: `memory of test ${planned.name} (a builder has ${has}, by TAXIWAY_TEST_CONTAINERS)`,
    })
  }
  const part = others > 0 ? Math.min(1, left / others) : 1
  return done({
    places: fixed + others,
    memoryMb: Math.floor(limits.memoryMb * part),
    cpus: Math.min(limits.cpus * part, await engineCpus(engine)),
    pids: limits.pids,
    diskMb: config.limits.testDiskMb,
    files: config.limits.workFiles,
  })
}

async function besideServices(order: Try, parts: Parts, share: Share): Promise<Outcome<void>> {
  const { stage, deps, log } = order
  const services = await startServices(deps.engine, parts.services, {
    ...share,
    name: (service) => objectName(ownerOf(order, service)),
    labels: (service) => workLabels(ownerOf(order, service)),
    network: objectName(ownerOf(order)),
    signal: stage.signal,
    say: log.say,
    mask: stage.mask,
  })
  try {
    const outcome: Outcome<void> = services.problem
      ? { ok: false, reason: services.problem }
      : await runOne(order, parts, share, services.look)
    await tellServices(log, services.look(), outcome.ok ? toldOfPassed : Number.POSITIVE_INFINITY)
    return outcome
  } finally {
    await services.stop()
  }
}

/** An image of elsewhere has no files of the commit, which who comes from other systems expects in it. */
const withoutFiles = ({ planned, deps }: Try): string =>
  deps.images.has(planned.image)
    ? ''
    : `${planned.image} is no image of this pipeline, so the commit's files are not in it`

/** A service that ended by itself, and not well. */
const deathOf = (states: ServiceState[]): string => {
  const dead = states.find(({ exitCode }) => exitCode !== undefined && exitCode !== 0)
  if (!dead) return ''
  const words = dead.lastWords ? `: ${dead.lastWords}` : ''
  return oneLine(`service ${dead.name} ended with exit code ${dead.exitCode} while the test ran${words}`, mostWords)
}

/** Characters of each service's output that the log has when the test passed; else all that is kept. */
const toldOfPassed = 2000

/** Writes what services printed last, for whoever looks for a cause, in whole lines. */
async function tellServices(log: StageLog, states: ServiceState[], most: number): Promise<void> {
  for (const { name, tail } of states.filter((one) => one.tail.trim() !== '')) {
    const part = log.part(`service ${name} | `)
    const shown = tail.slice(-most)
    await part.write(shown.length < tail.length ? shown.slice(shown.indexOf('\n') + 1) : tail)
    await part.end()
  }
}

async function runOne(order: Try, parts: Parts, share: Share, look: () => ServiceState[]): Promise<Outcome<void>> {
  const { stage, deps, planned, log } = order
  const { memoryMb = share.memoryMb, shmMb } = planned
  const script = makeScript(order.commands, planned)
  let words = ''
  const ran = await runContainer(deps.engine, {
    name: objectName(ownerOf(order)),
    image: parts.image,
    entrypoint: script.entrypoint,
    env: {
      ...variablesOf(toldOf(stage.run, { url: deps.config.url, repositoryUrl: deps.tree.url })),
      ...planned.env,
      ...parts.secrets,
    },
    ...(planned.workdir ? { workdir: planned.workdir } : {}),
    ...(parts.volumes.length > 0 ? { volumes: parts.volumes } : {}),
    labels: workLabels(ownerOf(order)),
    network: objectName(ownerOf(order)),
    ...share,
    memoryMb,
    ...(shmMb ? { shmMb } : {}),
    timeoutMs: planned.timeoutMs,
    signal: stage.signal,
    onOutput: (chunk) => log.write(script.shown(chunk)),
    async onEnd(id, ended) {
      log.write(script.rest())
      words = causeOf(script, log.lastLines(20))
      log.write(script.end())
      const death = deathOf(look())
      if (death) log.say(`note: ${death}`)
      const cause = causeIn(await order.onEnd(id, ended)) ?? words
      words = [death, cause, withoutFiles(order) || askForGit(words)].filter(Boolean).join('; ')
    },
  })
  if (!ran.ok) return ran
  const { verdict, note } = judge(planned, ran.value, {
    memoryMb,
    words,
    hasBegun: script.last() !== undefined,
  })
  if (note) log.say(`note: ${note.message}`)
  if (note) await stage.record({ type: 'noted', reason: note, test: planned.name })
  return verdict
}

/** The first failure that a report tells is nearer to the cause than whatever was printed last. */
function causeIn(report: Report | undefined): string | undefined {
  const [first] = report?.failures ?? []
  if (!report || !first) return undefined
  const more = report.counts.failed - 1
  const words = oneLine([first.name, first.message].filter(Boolean).join(': '), mostWords).replace(/[.:]+$/, '')
  return more > 0 ? `${words} (and ${more} more)` : words
}
