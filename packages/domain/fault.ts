import type { ReasonCode } from './reason.ts'

/** Codes that name the infrastructure's fault: the run ends `errored`, unless another try helps. All others are the code's fault. */
const infrastructure: ReadonlySet<ReasonCode> = new Set<ReasonCode>([
  'worker_lost',
  'machine_busy',
  'not_contained',
  'poisoned',
  'git_unavailable',
  'git_auth_failed',
  'disk_full',
  'docker_unavailable',
  'docker_daemon_restarted',
  'registry_auth_failed',
  'registry_unavailable',
  'target_unavailable',
  'cluster_unavailable',
  'cluster_forbidden',
  'redis_unavailable',
  'out_of_memory',
  'secrets_unreadable',
  'program_missing',
  'unknown_error',
  'stale_generation',
])
/** Infrastructure faults that the same try will meet again: they are final. */
const permanent: ReadonlySet<ReasonCode> = new Set<ReasonCode>([
  'poisoned',
  'not_contained',
  'git_auth_failed',
  'registry_auth_failed',
  'cluster_forbidden',
  'secrets_unreadable',
  'program_missing',
  'stale_generation',
  'target_unavailable',
])

/** Faults of a neighbour that may be back in a moment: they are tried again for minutes. */
const outages: ReadonlySet<ReasonCode> = new Set<ReasonCode>([
  'git_unavailable',
  'docker_unavailable',
  'docker_daemon_restarted',
  'registry_unavailable',
  'cluster_unavailable',
  'redis_unavailable',
])

/** Codes by which a release is refused before anything of its environment is switched. */
const refusals: ReadonlySet<ReasonCode> = new Set<ReasonCode>([
  'manifest_invalid',
  'manifest_forbidden',
  'manifest_unsupported',
  'manifest_conflict',
  'job_failed',
])

/** Whose fault is it: the infrastructure's (`errored`) or the code's (`failed`)? */
export const isInfrastructure = (code: ReasonCode): boolean => infrastructure.has(code)
/** Is a neighbour away, maybe for minutes? */
export const isOutage = (code: ReasonCode): boolean => outages.has(code)
/** May another try help? */
export const isRetryable = (code: ReasonCode): boolean => infrastructure.has(code) && !permanent.has(code)

/** Does it say something about the release itself, once that was tried in its environment? */
export const isOfRelease = (code: ReasonCode): boolean => !infrastructure.has(code) && !refusals.has(code)
