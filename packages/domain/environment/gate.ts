import Type from 'typebox'
import type { PlannedEnvironment } from '../plan/environment.ts'
import { oneLine } from '../reason.ts'
import type { RunRelease } from '../run/parts.ts'
import { When } from '../schemas.ts'
import type { EnvironmentRules, Hold } from './environment.ts'
import { clockText, nextOpening, type Schedule } from './windows.ts'

/** What can keep a release from beginning, in the order in which it is told. */
export const gateKinds = ['approval', 'hold', 'freeze', 'window'] as const
/** The gate that a run waits at, before one of its environments. Nobody holds the run meanwhile. */
export interface Gate {
  environment: string
  kind: (typeof gateKinds)[number]
  /** At most 140 characters: it goes to the git host as it is. */
  message: string
  /** Since when it waits at a gate of this kind. */
  since: string
  /** An approval: when it expires. A freeze or window: when it opens by itself. */
  until?: string
}
/** Who let a release begin. */
export const RunApproval = Type.Object({ environment: Type.String(), who: Type.String(), at: When })
export type RunApproval = Type.Static<typeof RunApproval>
/** What decides whether a release may begin now. */
export interface GateFacts {
  run: { approvals?: readonly RunApproval[]; gate?: Gate }
  environment: PlannedEnvironment
  rules: EnvironmentRules
  hold: Hold | undefined
  nowMs: number
}
const approvalMs = 24 * 3_600_000

/** The first gate that is closed; undefined when the release may begin. What admins rule stands beside what the pipeline asks for. */
export function closedGate(facts: GateFacts): Gate | undefined {
  const { environment, rules, hold, nowMs } = facts
  const { name } = environment
  if (needsApproval(facts)) return approvalGate(facts)
  if (hold) return gate(facts, 'hold', `Waiting: ${name} is on hold until a person lifts it: ${hold.reason}`)
  const { freeze } = rules
  const frozenMs = freeze?.until === undefined ? Number.POSITIVE_INFINITY : Date.parse(freeze.until)
  if (freeze && nowMs < frozenMs) return gate(facts, 'freeze', `Waiting: ${name} is frozen: ${freeze.reason}`, frozenMs)
  const schedules = schedulesOf(facts)
  const opensMs = nextOpening(schedules, nowMs)
  if (opensMs === nowMs) return undefined
  if (opensMs === undefined)
    return gate(facts, 'window', `Waiting: the windows of ${name} leave no time for a release.`)
  const { timezone } = schedules.at(-1) as Schedule
  const opens = `${clockText(timezone, opensMs)} ${timezone}`
  return gate(facts, 'window', `Waiting for the next window of ${name}: ${opens}.`, opensMs)
}

function needsApproval({ run, environment, rules }: GateFacts): boolean {
  const isApproved = run.approvals?.some((approval) => approval.environment === environment.name) ?? false
  return !isApproved && (rules.approval === 'required' || environment.approval !== undefined)
}

function approvalGate(facts: GateFacts): Gate {
  const { environment, rules } = facts
  const made = gate(facts, 'approval', `Waiting for an approval of ${environment.name}`)
  const timeoutMs = rules.approvalTimeoutMinutes
    ? rules.approvalTimeoutMinutes * 60_000
    : (environment.approval?.timeoutMs ?? approvalMs)
  return { ...made, until: new Date(Date.parse(made.since) + timeoutMs).toISOString() }
}

const schedulesOf = ({ environment, rules }: GateFacts): Schedule[] => [
  ...(environment.windows ? [{ windows: environment.windows, timezone: environment.timezone ?? 'UTC' }] : []),
  ...(rules.windows ? [{ windows: rules.windows, timezone: rules.timezone ?? 'UTC' }] : []),
]

function gate({ run, environment, nowMs }: GateFacts, kind: Gate['kind'], message: string, untilMs?: number): Gate {
  const isSame = run.gate?.kind === kind && run.gate.environment === environment.name
  const since = isSame && run.gate ? run.gate.since : new Date(nowMs).toISOString()
  const until = Number.isFinite(untilMs) ? { until: new Date(untilMs as number).toISOString() } : {}
  return { environment: environment.name, kind, message: oneLine(message, 140), since, ...until }
}

/** Has the run changed the environment already, and not ended that? Then it goes on to its end, whatever is closed by now. */
export function hasBegun({ releases }: { releases: readonly RunRelease[] }, environment: string): boolean {
  const last = releases.findLast((release) => release.environment === environment)
  return last !== undefined && last.state !== 'failed' && last.state !== 'superseded'
}

/** Has nobody approved in time? */
export const isExpired = (gate: Gate, nowMs: number): boolean =>
  gate.kind === 'approval' && gate.until !== undefined && nowMs >= Date.parse(gate.until)
