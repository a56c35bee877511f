import type { Config } from '@taxiway/chassis/config.ts'
import type { Readiness } from '@taxiway/chassis/lifecycle.ts'
import type { Logger } from '@taxiway/chassis/logger.ts'
import { probeBuildStep } from '@taxiway/docker/build/probe.ts'
import { type EgressRules, egressCommands, engineNameservers, installEgress } from '@taxiway/docker/engine/egress.ts'
import { ensureProbeImage, probeEgress, probeImage } from '@taxiway/docker/engine/egress-probe.ts'
import { type Engine, within } from '@taxiway/docker/engine/engine.ts'
import { type Reason, reason } from '@taxiway/domain/reason.ts'

export interface ContainmentDeps {
  config: Pick<Config, 'egress' | 'dockerHost' | 'isContained'>
  engine: Engine
  logger: Pick<Logger, 'info' | 'warn'>
  /** Does this process write the limits of build steps itself? */
  limitsSteps: boolean
}
/** Whether the code of runs is held within its network and limits. */
export interface Containment {
  /** A loop's pass: puts the rules there, and now and then asks a container and a build step whether they are held. */
  look(signal: AbortSignal, how?: { probe: boolean }): Promise<void>
  /** Until then nobody's code is run. */
  isKnown(): boolean
  /** Why this builder refuses runs. */
  lacking(): Reason | undefined
  readiness(): Readiness
}

/** What is known: by what this process did itself, and by what probes found. */
export interface Evidence {
  rules?: boolean | undefined
  limitsSteps: boolean
  testNetwork?: boolean | undefined
  stepNetwork?: boolean | undefined
  stepLimits?: boolean | undefined
}
/** Passes between two probes: five minutes. The first is for the second pass, unless somebody waits for it; while something lacks, every pass asks. */
const probeEvery = 15

/** What is not held; undefined is what nobody knows yet. A probe's word goes over what this process believes to have done. */
export function judge(
  { mode, isDedicated }: Pick<Config['egress'], 'mode' | 'isDedicated'>,
  evidence: Evidence,
): { lacks: string[]; unknown: string[] } {
  const believed = (own: boolean | undefined) => own || undefined
  const parts: [boolean | undefined, string][] = [
    [evidence.stepLimits ?? believed(evidence.limitsSteps), 'build steps have no limits'],
  ]
  if (mode !== 'open')
    parts.push([evidence.testNetwork ?? believed(evidence.rules), "tests can reach this machine's own addresses"])
  // Without a network there is nothing to hold.
  if (mode === 'internet' && isDedicated)
    parts.push([evidence.stepNetwork ?? believed(evidence.rules), "build steps can reach this machine's own addresses"])
  const those = (held: boolean | undefined) => parts.filter(([is]) => is === held).map(([, words]) => words)
  return { lacks: those(false), unknown: those(undefined) }
}

/** On a bridge that the rules leave alone, only code that members have approved has a network in its build steps. */
export const isolatesUntrusted = ({ egress, isContained }: Pick<Config, 'egress' | 'isContained'>): boolean =>
  isContained && egress.mode === 'internet' && !egress.isDedicated

/** Keeps the containment of this builder's engine, and knows whether it is held. */
export function makeContainment({ config, engine, logger, limitsSteps }: ContainmentDeps): Containment {
  const evidence: Evidence = { limitsSteps }
  /** For want of an image. */
  let isUntried = false
  let passes = 0
  let told = ''
  const tell = (level: 'info' | 'warn', details: object, message: string) => {
    if (told !== message) logger[level](details, message)
    told = message
  }
  const { mode, isDedicated } = config.egress

  async function probe(signal: AbortSignal): Promise<void> {
    const hasImage = await ensureProbeImage(engine, signal).catch(() => undefined)
    if (hasImage === undefined) return
    isUntried = !hasImage
    if (!hasImage) return
    const tests = mode === 'open' ? undefined : await probeEgress(engine, signal).catch(() => undefined)
    const steps = await probeBuildStep(engine, signal).catch(() => undefined)
    // What was not clear this time is as it was found before.
    if (tests?.ok) evidence.testNetwork = tests.value ?? evidence.testNetwork
    evidence.stepNetwork = steps?.network ?? evidence.stepNetwork
    evidence.stepLimits = steps?.limits ?? evidence.stepLimits
  }
  function lack(): string | undefined {
    const { lacks, unknown } = judge(config.egress, evidence)
    if (lacks.length > 0) return lacks.join(', ')
    return unknown.length > 0 && isUntried
      ? `it could not be tried with ${probeImage}, which is needed in the engine`
      : undefined
  }
  const isOpen = () => judge(config.egress, evidence).unknown.length > 0 && !isUntried
  return {
    async look(signal, { probe: mayProbe } = { probe: true }) {
      const rules = mode === 'open' ? undefined : await rulesOf(config, engine, signal)
      const failure = rules && (await install(config, rules))
      evidence.rules = rules && failure === undefined
      if (!mayProbe) return
      if (passes++ % probeEvery === 1 || lack() !== undefined || isOpen()) await probe(signal)
      const detail = lack()
      if (mode === 'open') tell('warn', {}, 'egress: open, tests reach whatever this machine reaches')
      if (detail !== undefined)
        tell(
          'warn',
          { failure, ...(rules ? { commands: egressCommands(rules) } : {}) },
          `containment: NOT held: ${detail}`,
        )
      else if (mode !== 'open')
        if (isOpen()) tell('info', { failure }, 'containment: not tried yet')
        else tell('info', { mode, builds: isDedicated || mode === 'none' }, 'containment: held')
    },
    isKnown: () => !config.isContained || !isOpen(),
    lacking() {
      const detail = config.isContained ? lack() : undefined
      return detail === undefined ? undefined : reason('not_contained', { detail })
    },
    readiness() {
      const detail = lack()
      if (!config.isContained)
        return {
          notes: [
            `Containment is off (TAXIWAY_CONTAINMENT)${detail === undefined ? '' : `, and not held: ${detail}`}.`,
          ],
        }
      if (detail !== undefined) return { problem: reason('not_contained', { detail }).message }
      if (isOpen()) return { problem: 'Runs are not taken yet: it is being tried whether they are contained.' }
      const shared =
        'Build steps of trusted runs reach what this machine reaches, those of untrusted runs have no network (TAXIWAY_ENGINE=shared).'
      return { notes: isolatesUntrusted(config) ? [shared] : [] }
    },
  }
}

/** A builder without the right, or apart from its engine, relies on rules that a guard or somebody else has put there. */
async function install({ dockerHost }: Pick<Config, 'dockerHost'>, rules: EgressRules): Promise<string | undefined> {
  if (!dockerHost.startsWith('unix:')) return 'the engine is on another machine'
  return installEgress(rules).then(
    () => undefined,
    (error: Error) => error.message.split('\n').slice(0, 2).join(' '),
  )
}

async function rulesOf(
  { egress: { bridge, allow, isDedicated } }: Pick<Config, 'egress'>,
  engine: Engine,
  signal: AbortSignal,
): Promise<EgressRules> {
  const bridges = isDedicated ? [bridge || (await defaultBridge(engine, signal))] : []
  return { bridges, allow, nameservers: engineNameservers() }
}

async function defaultBridge(engine: Engine, signal: AbortSignal): Promise<string> {
  const { Options } = await within(10_000, signal, () => engine.docker.getNetwork('bridge').inspect())
  return Options?.['com.docker.network.bridge.name'] ?? 'docker0'
}
