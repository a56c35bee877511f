import { createHash } from 'node:crypto'
import { join, resolve } from 'node:path'
import { parseArgs, styleText } from 'node:util'
import { scenes } from '../test/scenes/scenes.ts'
import { playAll, type Result } from './demo/play.ts'
import { makeScreen, type Screen } from './demo/screen.ts'
import { openStage, type Stage, type StageOrder } from './demo/stage.ts'
import { tryLock } from './local/lock.ts'

const usage = `Usage: npm run demo -- [--once] [--kubernetes]

Starts what is needed on this machine, pushes to a sample repository, and shows what becomes of each push.
It leaves nothing behind; what a demo leaves that is killed, the next one removes.

  --once           end after the scenes; exit code 0 only if all passed
  --kubernetes     roll out to Kubernetes (without it: to a reachable cluster if KUBECONFIG names one, else to Docker)
  --scenes NUMBER  only so many of them, from the first
  --folder FOLDER  where state and logs go (default: .taxiway/demo)
  --help           this text
`

async function main(): Promise<number> {
  const { values } = parseArgs({
    options: {
      once: { type: 'boolean' },
      kubernetes: { type: 'boolean' },
      scenes: { type: 'string', default: String(scenes.length) },
      folder: { type: 'string' },
      help: { type: 'boolean', short: 'h' },
    },
  })
  if (values.help) {
    process.stdout.write(usage)
    return 0
  }
  const count = Number(values.scenes)
  if (!(count >= 1 && count <= scenes.length)) throw new Error(`--scenes is a number from 1 to ${scenes.length}.`)
  const target = values.kubernetes || process.env.KUBECONFIG ? 'kubernetes' : 'docker'
  const folder = resolve(values.folder ?? join(import.meta.dirname, '..', '.taxiway', 'demo'))
  const lock = createHash('sha256').update(folder).digest('hex').slice(0, 16)
  if (!(await tryLock(`demo-${lock}`)))
    throw new Error(`A demo runs in ${folder} already: stop that one, or give this one another --folder.`)
  const screen = makeScreen(process.stdout)
  const interrupted = interruption()
  const over = new AbortController()
  const stops: StageOrder['stops'] = []
  const opening = openStage({ target, folder, screen, stops, signal: over.signal })
  let results: Result[] = []
  try {
    const played = await Promise.race([
      opening.then((stage) => tellAll(stage, { target, count }, until(over.signal, screen))),
      interrupted,
    ])
    if (typeof played === 'number') return played
    results = played
    if (!values.once) await stay(await opening, screen, interrupted)
    return results.every(({ passed }) => passed) ? 0 : 1
  } finally {
    over.abort()
    screen.waitFor('everything to end and to be removed')
    // What is being made right now has to be there before it can be removed.
    await opening.catch(() => undefined)
    for (const stop of stops.reverse())
      await stop().catch((error: unknown) => screen.say(error instanceof Error ? error.message : String(error), 'red'))
    screen.waitFor()
    report(results, target, screen)
    screen.close()
  }
}

/** Resolves with the exit code at Ctrl-C or its like. A second one ends at once, and the next demo cleans up. */
const interruption = (): Promise<number> =>
  new Promise((resolve) => {
    process.once('SIGINT', () => resolve(130))
    process.once('SIGTERM', () => resolve(143))
    process.once('SIGHUP', () => resolve(129))
  })

/** @throws when what it is played on is gone */
async function tellAll(
  { world, death }: Stage,
  { target, count }: { target: string; count: number },
  screen: Screen,
): Promise<Result[]> {
  screen.say(`\nPages        ${world.taxiway.url}  (sign in with ${world.taxiway.token})`)
  return Promise.race([playAll(world, scenes.slice(0, count), { target, screen }), death])
}

async function stay({ world, death }: Stage, screen: Screen, interrupted: Promise<number>): Promise<void> {
  screen.say('\nIt stays up. Stop it with Ctrl-C.', 'bold')
  screen.say(`  Pages        ${world.taxiway.url}  (sign in with ${world.taxiway.token})
  Application  ${world.address()}
  Push more    cd ${world.tree}, change something, then
               git add -A && git commit -m "Try" && git push ${world.pushUrl} HEAD:main`)
  await Promise.race([interrupted, death])
}

/** The screen for as long as the signal is not aborted: what goes on then is over, whatever it still says. */
function until(signal: AbortSignal, screen: Screen): Screen {
  const during =
    <Words extends unknown[]>(tell: (...words: Words) => void) =>
    (...words: Words) =>
      signal.aborted ? undefined : tell(...words)
  return { ...screen, say: during(screen.say), waitFor: during(screen.waitFor) }
}

function report(results: Result[], target: string, screen: Screen): void {
  if (results.length === 0) return
  screen.say('')
  for (const { scene, passed, ms } of results)
    screen.say(`${passed ? 'PASS' : 'FAIL'} ${scene} ${ms}`, passed ? undefined : 'red')
  screen.say(JSON.stringify({ target, passed: results.every(({ passed }) => passed), scenes: results }))
}

main().then(
  (code) => process.exit(code),
  (error: unknown) => {
    const words = error instanceof Error ? error.message : String(error)
    process.stderr.write(`${styleText('red', words, { stream: process.stderr })}\n`)
    process.exit(1)
  },
)
