import { reason } from '@taxiway/domain/reason.ts'
import { servicesWithoutPods } from '@taxiway/kubernetes/health/crossing.ts'
import type { RollOut } from '../roll-out.ts'

const lookMs = 20_000

/** Notes on the run which Services of a release fit no pod of it, or those of another environment too. Refuses nothing. */
export async function noteServices({
  stage,
  target,
  order,
  work,
}: Pick<RollOut, 'stage' | 'target' | 'order' | 'work'>) {
  const lonely = servicesWithoutPods(order)
  const crossings = (await target.crossings?.(order, work(lookMs))) ?? { ok: true, value: [] }
  const notes = [
    ...(lonely.length > 0 ? [reason('service_without_pods', { services: lonely.join(', ') })] : []),
    ...(crossings.ok && crossings.value.length > 0
      ? [reason('services_cross', { detail: crossings.value.join('; ') })]
      : []),
  ]
  for (const note of notes) {
    stage.log.say(note.message)
    await stage.record({ type: 'noted', reason: note })
  }
}
