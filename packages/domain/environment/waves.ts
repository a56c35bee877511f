import { done, type Outcome, refuse } from '../reason.ts'
import type { ReleaseOrder, RenderedObject, Verdict } from './release.ts'
import type { Target } from './target.ts'
import type { Work } from './work.ts'

/** By this annotation an object has its turn. */
export const waveAnnotation = 'taxiway.dev/wave'
const lastWave = 100

/** An object's turn: 0 unless its annotation says another. */
export const waveOf = ({ metadata }: RenderedObject): number => Number(metadata.annotations?.[waveAnnotation] ?? 0)

/** The turns that the objects have, in order. */
export const wavesOf = (objects: readonly RenderedObject[]): number[] =>
  [...new Set(objects.map(waveOf))].sort((a, b) => a - b)

/** Refuses an object whose annotation is no turn, and turns where a strategy decides how the release takes over. */
export function checkWaves(objects: readonly RenderedObject[], strategy?: string): Outcome<void> {
  const isWave = (wave: number) => Number.isInteger(wave) && wave >= 0 && wave <= lastWave
  const wrong = objects.find((object) => !isWave(waveOf(object)))
  const [late] = strategy === undefined ? [] : objects.filter((object) => waveOf(object) > 0)
  if (!wrong && late) {
    const detail = `it has a wave, and ${strategy} of the environment does not go together with waves`
    return refuse('manifest_unsupported', { object: `${late.kind}/${late.metadata.name}`, detail })
  }
  if (!wrong) return done(undefined)
  const detail = `annotation ${waveAnnotation} is a whole number from 0 to ${lastWave}, in quotes`
  return refuse('manifest_invalid', { object: `${wrong.kind}/${wrong.metadata.name}`, detail })
}

/** Is this the last turn of the order? */
export const isLast = ({ objects, upTo }: ReleaseOrder): boolean =>
  upTo === undefined || upTo === wavesOf(objects).at(-1)

/**
 * The target, which gives a release of several waves one after another: the next when all of this one are healthy. An order is
 * applied as far as its first wave, and the rest while it is watched.
 */
export function inWaves(target: Target): Target {
  return {
    ...target,
    apply: (order, work) => target.apply(upTo(order, wavesOf(order.objects)[0]), work),
    watch: (order, work) => watchAll(target, order, work),
  }
}

/** The order as far as a wave; as it is when it has only one. */
const upTo = (order: ReleaseOrder, wave: number | undefined): ReleaseOrder =>
  wave === undefined || wavesOf(order.objects).length < 2 ? order : { ...order, upTo: wave }

async function watchAll(target: Target, order: ReleaseOrder, work: Work): Promise<Outcome<Verdict>> {
  const [first, ...later] = wavesOf(order.objects)
  const untilMs = performance.now() + work.deadlineMs
  let verdict = await target.watch(upTo(order, first), work)
  for (const wave of later) {
    if (!verdict.ok || !verdict.value.healthy) return verdict
    work.say(`healthy: ${verdict.value.ready}; next is wave ${wave}`)
    const left = () => ({ ...work, deadlineMs: Math.max(1000, untilMs - performance.now()) })
    const applied = await target.apply(upTo(order, wave), left())
    if (!applied.ok && applied.reason.code === 'stale_generation') return applied
    // Half of it stands by now, so it is not healthy as a whole.
    if (!applied.ok) return done({ healthy: false, detail: applied.reason.message.replace(/\.$/, '') })
    verdict = await target.watch(upTo(order, wave), left())
  }
  return verdict
}
