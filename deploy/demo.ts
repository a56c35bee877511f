import { once } from 'node:events'
import { mkdirSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { parseArgs, styleText } from 'node:util'
import { play, scenes } from '../test/scenes/scenes.ts'
import { makeWorld } from '../test/world/make-world.ts'
import type { World } from '../test/world/world.ts'
import { ensureBaseImages } from './local/base-images.ts'
import { startLocal } from './local/start.ts'

const usage = `Usage: npm run demo -- [--once] [--kubernetes]

Starts what is needed on this machine, pushes to a sample repository, and shows what becomes of each push.

  --once         end after the scenes; exit code 0 only if all passed
  --kubernetes   roll out to Kubernetes (without it: to a reachable cluster if KUBECONFIG names one, else to Docker)
  --help         this text
`

interface Result {
  scene: string
  passed: boolean
  ms: number
  error?: string
}

async function main(): Promise<void> {
  const { values } = parseArgs({
    options: { once: { type: 'boolean' }, kubernetes: { type: 'boolean' }, help: { type: 'boolean', short: 'h' } },
  })
  if (values.help) return void process.stdout.write(usage)
  const target = values.kubernetes || process.env.KUBECONFIG ? 'kubernetes' : 'docker'
  const folder = join(import.meta.dirname, '..', '.taxiway', 'demo')
  rmSync(folder, { recursive: true, force: true })
  mkdirSync(folder, { recursive: true })
  say(bold('Starting the parts'))
  const local = await startLocal({
    parts: target === 'kubernetes' ? ['redis', 'engine', 'registry', 'kubernetes'] : ['redis', 'engine', 'registry'],
    folder: join(folder, '..', 'local'),
    say: note,
  })
  const stops = [() => local.stop()]
  const stop = async () => {
    for (const one of stops.splice(0).reverse()) await one().catch((error: unknown) => note(String(error)))
  }
  process.once('SIGINT', () => void stop().then(() => process.exit(130)))
  process.once('SIGTERM', () => void stop().then(() => process.exit(143)))
  void local.died.then(async (words) => {
    say(styleText('red', `What the demo stands on is gone: ${words}`))
    await stop()
    process.exit(1)
  })
  try {
    await ensureBaseImages({ dockerHost: local.env.DOCKER_HOST ?? '', say: note })
    const world = await makeWorld({ folder, environment: local.env, target, say: note })
    stops.push(() => world.stop())
    const results = await playAll(world, target)
    if (!values.once) await stay(world)
    await stop()
    report(results, target)
    process.exitCode = results.every(({ passed }) => passed) ? 0 : 1
  } catch (error) {
    await stop()
    throw error
  }
}

async function playAll(world: World, target: string): Promise<Result[]> {
  const results: Result[] = []
  const watching = watch(world)
  for (const scene of scenes) {
    say(`\n${bold(scene.title)} ${dim(`(${target})`)}`)
    const startedMs = performance.now()
    const error = await play(scene, world).then(
      () => undefined,
      (reason: unknown) => (reason instanceof Error ? reason.message : String(reason)),
    )
    const ms = Math.round(performance.now() - startedMs)
    results.push({ scene: scene.name, passed: error === undefined, ms, ...(error ? { error } : {}) })
    say(
      error
        ? styleText('red', `  FAIL ${scene.name}: ${error}`)
        : styleText('green', `  passed in ${(ms / 1000).toFixed(1)} s`),
    )
  }
  watching.abort()
  return results
}

/** Prints each stage as it goes, from the API's stream of events. */
function watch({ taxiway }: World): AbortController {
  const controller = new AbortController()
  const follow = async () => {
    const response = await fetch(`${taxiway.url}/api/v1/events`, {
      headers: { authorization: `Bearer ${taxiway.token}`, accept: 'text/event-stream' },
      signal: controller.signal,
    })
    const decoder = new TextDecoder()
    let rest = ''
    for await (const chunk of response.body ?? []) {
      const lines = (rest + decoder.decode(chunk as Uint8Array, { stream: true })).split('\n')
      rest = lines.pop() ?? ''
      for (const line of lines) if (line.startsWith('data: ')) await tell(line.slice(6))
    }
  }
  const numbers = new Map<string, number>()
  const tell = async (text: string) => {
    const event = JSON.parse(text)
    if (!['accepted', 'stage_started', 'stage_finished', 'superseded'].includes(event.type)) return
    if (!numbers.has(event.run)) numbers.set(event.run, (await taxiway.call('GET', `/runs/${event.run}`)).body.number)
    const what =
      event.type === 'accepted'
        ? 'accepted'
        : event.type === 'superseded'
          ? `superseded by ${event.by}`
          : event.type === 'stage_started'
            ? `${event.stage} …`
            : `${event.stage} ${event.state}${event.reason ? `: ${event.reason.message}` : ''}`
    say(`  ${dim(new Date().toTimeString().slice(0, 8))} run #${numbers.get(event.run)}  ${what}`)
  }
  follow().catch((error) => {
    if (!controller.signal.aborted) note(`the stream of events ended: ${error}`)
  })
  return controller
}

async function stay(world: World): Promise<void> {
  const address = world.address()
  say(`\n${bold('It stays up. Stop it with Ctrl-C.')}
  Pages        ${world.taxiway.url}  (sign in with ${world.taxiway.token})
  Application  ${address}
  Push more    cd ${world.tree}, change something, then
               git add -A && git commit -m "Try" && git push ${world.pushUrl} HEAD:main`)
  process.removeAllListeners('SIGINT').removeAllListeners('SIGTERM')
  await Promise.race([once(process, 'SIGINT'), once(process, 'SIGTERM')])
}

function report(results: Result[], target: string): void {
  say('')
  for (const { scene, passed, ms } of results) say(`${passed ? 'PASS' : 'FAIL'} ${scene} ${ms}`)
  say(JSON.stringify({ target, passed: results.every(({ passed }) => passed), scenes: results }))
}

const say = (line: string) => void process.stdout.write(`${line}\n`)
const note = (line: string) => say(dim(`  ${line}`))
const bold = (text: string) => styleText('bold', text)
const dim = (text: string) => styleText('dim', text)

main().catch((error: unknown) => {
  process.stderr.write(`${error instanceof Error ? error.message : String(error)}\n`)
  process.exit(1)
})
