import { play } from '../../test/scenes/scenes.ts'
import type { Scene, World } from '../../test/world/world.ts'
import type { Screen } from './screen.ts'

/** How a scene ended. */
export interface Result {
  scene: string
  passed: boolean
  ms: number
  error?: string
}

/** Plays scenes, each on top of the one before, and tells what happens meanwhile. */
export async function playAll(
  world: World,
  scenes: readonly Scene[],
  { target, screen }: { target: string; screen: Screen },
): Promise<Result[]> {
  const results: Result[] = []
  let title = ''
  const following = follow(world, screen, () => `what comes next in “${title}”`)
  for (const scene of scenes) {
    title = scene.title
    screen.say(`\n${title} (${target})`, 'bold')
    screen.waitFor(`the push of “${title}”`)
    const startedMs = performance.now()
    const error = await play(scene, world).then(
      () => undefined,
      (reason: unknown) => (reason instanceof Error ? reason.message : String(reason)),
    )
    const ms = Math.round(performance.now() - startedMs)
    results.push({ scene: scene.name, passed: error === undefined, ms, ...(error ? { error } : {}) })
    if (error) screen.say(`  FAIL ${scene.name}: ${error}`, 'red')
    else screen.say(`  passed in ${(ms / 1000).toFixed(1)} s`, 'green')
  }
  following.abort()
  screen.waitFor()
  return results
}

/** Prints each stage as it goes, from the API's stream of events, and names those under way as what is waited for. */
function follow({ taxiway }: World, screen: Screen, next: () => string): AbortController {
  const controller = new AbortController()
  const numbers = new Map<string, number>()
  const underWay = new Set<string>()
  const tell = async (text: string) => {
    const event = JSON.parse(text)
    if (!['accepted', 'stage_started', 'stage_finished', 'superseded'].includes(event.type)) return
    if (!numbers.has(event.run)) numbers.set(event.run, (await taxiway.call('GET', `/runs/${event.run}`)).body.number)
    const run = `run #${numbers.get(event.run)}`
    const stage = `${run}, ${event.stage}`
    if (event.type === 'stage_started') underWay.add(stage)
    else if (event.type === 'stage_finished') underWay.delete(stage)
    else for (const one of underWay) if (one.startsWith(`${run},`)) underWay.delete(one)
    screen.say(`  ${new Date().toTimeString().slice(0, 8)} ${run}  ${wordsOf(event)}`)
    screen.waitFor([...underWay].join('; ') || next())
  }
  read(`${taxiway.url}/api/v1/events`, taxiway.token, controller.signal, tell).catch((error) => {
    if (!controller.signal.aborted) screen.note(`the stream of events ended: ${error}`)
  })
  return controller
}

interface Told {
  type: string
  stage?: string
  state?: string
  by?: string
  reason?: { message: string }
}

function wordsOf({ type, stage, state, by, reason }: Told): string {
  if (type === 'accepted') return type
  if (type === 'superseded') return `superseded by ${by}`
  return type === 'stage_started' ? `${stage} …` : `${stage} ${state}${reason ? `: ${reason.message}` : ''}`
}

/** Reads a stream of server-sent events until its end. */
async function read(url: string, token: string, signal: AbortSignal, tell: (data: string) => Promise<void>) {
  const headers = { authorization: `Bearer ${token}`, accept: 'text/event-stream' }
  const { body } = await fetch(url, { headers, signal })
  const decoder = new TextDecoder()
  let rest = ''
  for await (const chunk of body ?? []) {
    const lines = (rest + decoder.decode(chunk as Uint8Array, { stream: true })).split('\n')
    rest = lines.pop() ?? ''
    for (const line of lines) if (line.startsWith('data: ')) await tell(line.slice(6))
  }
}
