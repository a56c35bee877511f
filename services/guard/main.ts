import type { Config } from '@taxiway/chassis/config.ts'
import type { Part } from '@taxiway/chassis/lifecycle.ts'
import type { Logger } from '@taxiway/chassis/logger.ts'
import { startReconciler } from '@taxiway/chassis/reconciler.ts'
import { tellEndedSteps } from '@taxiway/docker/build/guarded-steps.ts'
import { type EndedStep, limitBuildSteps } from '@taxiway/docker/build/step-limits.ts'
import { engineNameservers, installEgress } from '@taxiway/docker/engine/egress.ts'

/** How often the firewall is looked over, and how often it is told that somebody looks. */
const rulesMs = 20_000
const tellMs = 5000
/** So many ended steps are remembered. */
const mostEnded = 100

/**
 * Starts the guard: as root beside an engine it writes the firewall rules for what builders run there, and the cgroups of build
 * steps, so that builders need no rights. It hears nobody: all it knows is its configuration and what the kernel shows.
 * @throws when this process may not
 */
export async function startGuard({ config, logger }: { config: Config; logger: Logger }): Promise<Part> {
  const { mode, allow, bridge, isDedicated } = config.egress
  const bridges = isDedicated ? [bridge || 'docker0'] : []
  const ended: EndedStep[] = []
  const tell = async () => tellEndedSteps(config.guardFolder, ended)
  const limiter = await limitBuildSteps(config.limits.step, (step) => {
    ended.push(step)
    ended.splice(0, ended.length - mostEnded)
    tell().catch((error) => logger.warn({ err: error }, 'an ended step was not told'))
  })
  const holdRules = async () => {
    if (mode !== 'open') await installEgress({ bridges, allow, nameservers: engineNameservers() })
  }
  await holdRules()
  const loops = [
    startReconciler(holdRules, { name: 'rules', everyMs: rulesMs, logger }),
    startReconciler(tell, { name: 'tell', everyMs: tellMs, logger }),
  ]
  return {
    name: 'guard',
    async stop() {
      limiter.stop()
      await Promise.all(loops.map((loop) => loop.stop()))
    },
  }
}
