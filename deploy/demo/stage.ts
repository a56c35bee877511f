import { randomBytes } from 'node:crypto'
import { mkdirSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { installationOf } from '@taxiway/chassis/key.ts'
import { makeWorld } from '../../test/world/make-world.ts'
import type { World } from '../../test/world/world.ts'
import { baseImages, ensureBaseImages, hasImage } from '../local/base-images.ts'
import { findEngine } from '../local/engine.ts'
import type { LocalPart } from '../local/part.ts'
import { endDaemons } from '../local/process.ts'
import { type Local, startLocal } from '../local/start.ts'
import { clean, registryOf } from './clean.ts'
import { makeNamespaces } from './cluster.ts'
import { takeDatabase } from './database.ts'
import { type Mark, newId, readMarks, removeMark, saveMark } from './mark.ts'
import type { Screen } from './screen.ts'

/** What a demo is played on. */
export interface Stage {
  world: World
  /** Rejects, with words for it, when something of it is gone. */
  death: Promise<never>
}
export interface StageOrder {
  target: 'docker' | 'kubernetes'
  folder: string
  screen: Screen
  /** What is to be done in the end, the last first. */
  stops: (() => Promise<unknown>)[]
  /** Aborted when nothing is wanted any more. */
  signal: AbortSignal
}

/** Starts or finds the parts, removes what demos left that were killed, and opens a world of its own. */
export async function openStage(order: StageOrder): Promise<Stage> {
  const { target, folder, screen, stops, signal } = order
  const marks = join(folder, 'marks')
  stops.push(async () => {
    if (readMarks(marks).length === 0) rmSync(folder, { recursive: true, force: true })
  })
  const { mark, secretKey } = await beginMark(marks)
  screen.say('Starting the parts', 'bold')
  screen.waitFor('the parts to be found or started')
  const local = await startParts(order)
  noteFound(mark, local.parts)
  saveMark(marks, mark)
  const cleaning = { dockerHost: local.env.DOCKER_HOST ?? '', say: screen.note }
  const cleanUp = async (one: Mark) => {
    const problems = await clean(one, cleaning)
    for (const problem of problems)
      screen.say(`  The next demo tries again to remove what is left in ${problem}`, 'red')
    if (problems.length === 0) removeMark(marks, one)
  }
  stops.push(() => cleanUp(mark))
  for (const old of readMarks(marks).filter(({ id }) => id !== mark.id)) {
    screen.note(`demo ${old.id} did not get to its end: what it left is removed`)
    screen.waitFor(`what demo ${old.id} left to be gone`)
    await cleanUp(old)
  }
  await ensureBaseImages(cleaning)
  signal.throwIfAborted()
  const namespace = `taxiway-demo-${mark.id}`
  if (local.env.KUBECONFIG) await makeNamespaces(local.env.KUBECONFIG, mark.id, [namespace, `${namespace}-staging`])
  screen.waitFor('Taxiway to start')
  signal.throwIfAborted()
  const world = await makeWorld({
    folder: join(folder, 'world'),
    environment: {
      ...local.env,
      ...(mark.redis ? { REDIS_URL: await takeDatabase(mark.redis, mark.id) } : {}),
      TAXIWAY_REGISTRY: registryOf(local.env.TAXIWAY_REGISTRY ?? '', mark.id),
      TAXIWAY_SECRET_KEY: secretKey.toString('hex'),
      // What others keep in the engine for their builds is not trimmed for a demo.
      TAXIWAY_CACHE_GB: '100000',
      // Nothing but the demo's own sample is run.
      TAXIWAY_CONTAINMENT: 'off',
    },
    target,
    ownProxy: target === 'docker',
    namespace,
    say: screen.note,
  })
  stops.push(() => world.stop())
  mark.repository = world.repository.id
  saveMark(marks, mark)
  const death = local.died.then((words) => Promise.reject(new Error(`What the demo stands on is gone: ${words}`)))
  death.catch(() => undefined)
  return { world, death }
}

/** Marks what can be marked before anything is started: an engine that is there has some base images, and is given the others. */
async function beginMark(marks: string): Promise<{ mark: Mark; secretKey: Buffer }> {
  const secretKey = randomBytes(32)
  const dockerHost = await findEngine()
  const lacking = await Promise.all(
    baseImages.map(async (image) => (dockerHost && !(await hasImage(dockerHost, image)) ? [image] : [])),
  )
  const mark: Mark = { id: newId(), installation: installationOf(secretKey), baseImages: lacking.flat() }
  if (dockerHost) mark.dockerHost = dockerHost
  saveMark(marks, mark)
  return { mark, secretKey }
}

async function startParts({ target, folder, screen, stops, signal }: StageOrder): Promise<Local> {
  rmSync(join(folder, 'world'), { recursive: true, force: true })
  const parts = join(folder, 'parts')
  mkdirSync(parts, { recursive: true })
  const base = ['redis', 'engine', 'registry'] as const
  const starting = startLocal({
    parts: target === 'kubernetes' ? [...base, 'kubernetes'] : [...base],
    folder: parts,
    say: screen.note,
  })
  signal.addEventListener('abort', endDaemons)
  const local = await starting.finally(() => signal.removeEventListener('abort', endDaemons))
  stops.push(() => local.stop())
  return local
}

/** What was there before is left as it was; what was started for the demo goes with its folder. */
function noteFound(mark: Mark, parts: readonly LocalPart[]): void {
  const found = (name: LocalPart['name']) => parts.find((part) => part.name === name && part.how === 'found')?.address
  const [redis, registry, kubeconfig] = [found('redis'), found('registry'), found('kubernetes')]
  Object.assign(mark, redis && { redis }, registry && { registry }, kubeconfig && { kubeconfig })
}
