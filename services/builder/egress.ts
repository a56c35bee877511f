import type { Config } from '@taxiway/chassis/config.ts'
import type { Logger } from '@taxiway/chassis/logger.ts'
import { type EgressRules, egressCommands, engineNameservers, installEgress } from '@taxiway/docker/engine/egress.ts'
import { probeEgress } from '@taxiway/docker/engine/egress-probe.ts'
import { type Engine, within } from '@taxiway/docker/engine/engine.ts'

export interface EgressDeps {
  config: Config
  engine: Engine
  logger: Logger
}

/** A loop's pass, or with `probe: false` only the rules. */
export type EgressKeeper = (signal: AbortSignal, how?: { probe: boolean }) => Promise<void>
/** Passes between two probes: five minutes. */
const probeEvery = 15

/**
 * One pass: the firewall keeps the code of runs away from this machine and from private addresses. The first pass, and now and
 * then another, asks a container whether that is so; what is not held is told with what to type.
 */
export function makeEgressKeeper({ config, engine, logger }: EgressDeps): EgressKeeper {
  let told = ''
  const tell = (level: 'info' | 'warn', details: object, message: string) => {
    if (told !== message) logger[level](details, message)
    told = message
  }
  let probed: boolean | undefined
  let passes = 0
  return async function keepEgress(signal, { probe } = { probe: true }) {
    if (config.egress.mode === 'open')
      return tell('warn', {}, 'egress: open, tests reach whatever this machine reaches')
    const rules = await rulesOf(config, engine, signal)
    // A builder without the right, or apart from its engine, relies on rules that somebody else has put there.
    const failure = config.dockerHost.startsWith('unix:')
      ? await attempt(() => installEgress(rules))
      : 'engine elsewhere'
    if (!probe) return
    if (passes++ % probeEvery === 0 || (probed === undefined && passes < 4)) probed = await ask(engine, signal)
    const { mode, isDedicated } = config.egress
    if (probed) tell('info', { mode, builds: isDedicated }, 'egress: contained')
    else if (probed === undefined) tell('info', { detail: failure }, 'egress: not probed')
    else
      tell(
        'warn',
        { detail: failure, commands: egressCommands(rules) },
        "egress: NOT contained, tests can reach this machine's own addresses; run the commands on the engine's machine",
      )
  }
}

/** Undefined when it could not be found out. */
async function ask(engine: Engine, signal: AbortSignal): Promise<boolean | undefined> {
  const answer = await probeEgress(engine, signal).catch(() => undefined)
  return answer?.ok ? answer.value : undefined
}

async function rulesOf(config: Config, engine: Engine, signal: AbortSignal): Promise<EgressRules> {
  const rules = { bridges: [] as string[], allow: config.egress.allow, nameservers: engineNameservers() }
  if (!config.egress.isDedicated) return rules
  const { Options } = await within(10_000, signal, () => engine.docker.getNetwork('bridge').inspect())
  return { ...rules, bridges: [Options?.['com.docker.network.bridge.name'] ?? 'docker0'] }
}

const attempt = (work: () => Promise<void>): Promise<string | undefined> =>
  work().then(
    () => undefined,
    (error: Error) => error.message.split('\n').slice(0, 2).join(' '),
  )
