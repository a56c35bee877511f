/**
 * The closed list of reason codes: every refusal and failure a person can see has one of these, with one sentence that
 * says what happened and what to do. `docs/reference/reasons.md` is held against this list by a test.
 */

import { turning } from './inert.ts'

const sentences = {
  // Intake
  signature_invalid: () => 'The signature does not match. Check the webhook secret of this repository on the git host.',
  body_too_large: (p: { limitMb: number }) => `The body is larger than ${p.limitMb} MB.`,
  bodies_full: () => 'Too many large bodies are on their way right now. Send it again in a moment.',
  body_invalid: (p: { detail: string }) => `The body is not what was expected: ${p.detail}.`,
  content_type_unsupported: (p: { type: string }) => `Content type ${p.type} is not supported. Send application/json.`,
  content_encoding_unsupported: () => 'A compressed body is not accepted. Send it as it is.',
  delivery_id_invalid: () => 'The delivery id header is missing or malformed.',
  request_timeout: () => 'The request took too long to arrive.',
  rate_limited: () => 'Too many requests. Wait a moment and try again.',
  host_unknown: (p: { host: string }) => `Git host ${p.host} is not supported. Use github.`,
  queue_full: () => 'Redis is out of memory, so nothing new can be accepted. Raise maxmemory or remove old runs.',
  redis_unavailable: () => 'Redis does not answer, so nothing can be promised right now. Try again shortly.',
  redis_eviction_enabled: (p: { policy: string }) =>
    `Redis has maxmemory-policy ${p.policy}, which may throw away accepted work. Set it to noeviction.`,
  redis_not_durable: () => 'Redis does not write an append-only file. Set appendonly yes and appendfsync always.',
  // Events that start nothing
  ignored_branch: (p: { branch: string }) => `Branch ${p.branch} is not among the branches of this repository.`,
  ignored_branch_deleted: () => 'The branch was deleted.',
  ignored_tag_deleted: () => 'The tag was deleted.',
  repository_followed: (p: { from: string; to: string }) =>
    `The repository is called ${p.to} now, and is followed there; it was ${p.from}.`,
  ignored_tag: (p: { tag: string }) =>
    `Tag ${p.tag} is not among the tags of this repository. Change them to the tags that shall start runs, like ["v*"].`,
  ignored_pull_request: () =>
    'Pull requests start nothing here. Change pullRequests of this repository to members or all.',
  fork_needs_approval: (p: { number: number }) =>
    `Pull request #${p.number} comes from a fork, whose code starts nothing here. Change pullRequests of this repository to all to run it without secrets.`,
  ignored_by_pipeline: (p: { rule: string }) => `The pipeline leaves this out: ${p.rule}.`,
  ignored_skip_ci: () => 'The commit message asks to skip CI.',
  ref_invalid: (p: { ref: string }) => `${p.ref} is not a valid ref.`,
  sha_invalid: () => 'The commit id is not a full hexadecimal object name.',
  // API
  unauthorized: () => 'A valid bearer token is needed. Pass it as "Authorization: Bearer <token>".',
  forbidden: (p: { scope: string }) => `This token lacks the scope ${p.scope}.`,
  not_found: (p: { what: string }) => `There is no such ${p.what}.`,
  input_invalid: (p: { detail: string }) => `The input is not valid: ${p.detail}.`,
  repository_exists: (p: { id: string }) => `This repository is registered already, as ${p.id}.`,
  run_not_cancellable: (p: { state: string }) => `The run is ${p.state} already, so it can't be cancelled.`,
  manual_not_allowed: () =>
    'This pipeline is not started by hand. Write "on: { manual: {} }" into .taxiway.yaml to allow it.',
  ref_not_found: (p: { ref: string }) => `The git host knows no ${p.ref}.`,
  run_not_finished: () => "The run has not ended yet, so it can't be run again. Cancel it first.",
  url_not_allowed: (p: { detail: string }) =>
    `The URL is not allowed: ${p.detail}. Private addresses and plain http must be listed in TAXIWAY_ALLOWED_ORIGINS.`,
  secrets_unreadable: () =>
    'What is kept encrypted can not be read with this TAXIWAY_SECRET_KEY. Start with the key that wrote it, or write tokens and secrets anew.',
  kubeconfig_refused: (p: { detail: string }) => `The kubeconfig is not taken: ${p.detail}.`,
  cluster_unusable: (p: { name: string; detail: string }) =>
    `Cluster ${p.name} can't be used: ${p.detail}. Mend that, or register it all the same with "force": true.`,
  cluster_unchecked: (p: { name: string; seconds: number }) =>
    `No deployer looked at cluster ${p.name} in ${p.seconds} s. Start a process with the role deployer, or register it unchecked with "force": true.`,
  cluster_in_use: (p: { name: string; by: string }) =>
    `Cluster ${p.name} is still named by ${p.by}. Change that first.`,
  unknown_error: () => 'Something went wrong on our side. The log of the service has the details.',
  // Record and attempts
  fenced: (p: { attempt: number; current: number }) => `FENCED attempt=${p.attempt} current=${p.current}`,
  worker_lost: (p: { worker: string; since: string }) => `Worker ${p.worker} has been silent since ${p.since}.`,
  poisoned: (p: { workers: number }) => `The run crashed ${p.workers} workers, so it is not tried again.`,
  worker_paused: (p: { worker: string; percent: number }) =>
    `Builder ${p.worker} takes no runs: only ${p.percent} % of its disk is free. Make room, or lower TAXIWAY_LEAST_FREE.`,
  drained: (p: { worker: string }) => `Worker ${p.worker} was shut down. The run goes on with another.`,
  machine_busy: (p: { what: string; seconds: number }) =>
    `The machine was too busy to ${p.what} within ${p.seconds} s. Try again, or give it less to do at a time.`,
  cancelled_by: (p: { who: string }) => `Cancelled by ${p.who}.`,
  superseded: (p: { by: string }) => `A newer push took its place: ${p.by}.`,
  // Checkout
  commit_not_found: (p: { sha: string }) => `Commit ${p.sha} is not in the repository any more.`,
  git_auth_failed: (p: { host: string }) => `${p.host} refused the token of this repository. Give it a valid one.`,
  git_unavailable: (p: { host: string; detail: string }) => `${p.host} could not be fetched from: ${p.detail}.`,
  content_invalid: (p: { detail: string }) =>
    `The commit or what it holds is not as git would write it (${p.detail}), and could mean other files than it shows. Find it with git fsck --strict, and write it anew.`,
  git_redirected: (p: { host: string }) =>
    `${p.host} redirects to another place. Register the repository under its new URL.`,
  clone_too_large: (p: { limitMb: number } | { limit: string }) =>
    `The repository is larger than ${'limit' in p ? p.limit : `${p.limitMb} MB`}.`,
  config_invalid: (p: { detail: string }) => `.taxiway.yaml is not valid: ${p.detail}.`,
  config_misnamed: (p: { found: string; beside?: boolean }) =>
    p.beside === true
      ? `${p.found} stands beside .taxiway.yaml, and only that one is read. Remove one of them.`
      : `${p.found} is not read. Rename it to .taxiway.yaml, in the root of the repository.`,
  image_not_allowed: (p: { image: string; detail: string }) => `Image ${p.image} may not be used here: ${p.detail}.`,
  option_not_allowed: (p: { option: string }) => `The option ${p.option} is not allowed.`,
  nothing_to_do: (p: { hasFile?: boolean } = {}) =>
    p.hasFile === true
      ? '.taxiway.yaml names neither images nor tests, so there is nothing to do.'
      : 'There is neither a .taxiway.yaml nor a Dockerfile, so there is nothing to build.',
  pointers_left: (p: { paths: string }) =>
    `${p.paths}: Git LFS pointers, which Taxiway does not fetch. Builds and tests get the pointers, not what they stand for.`,
  submodules_left: (p: { paths: string }) =>
    `${p.paths}: submodules, which Taxiway does not fetch. Builds and tests find empty folders there.`,
  path_outside_repo: (p: { path: string }) => `${p.path} leads out of the repository.`,
  file_not_found: (p: { path: string }) => `${p.path} is not in the commit.`,
  file_too_large: (p: { path: string; limitKb: number }) => `${p.path} is larger than ${p.limitKb} KB.`,
  secret_missing: (p: { name: string; untrusted?: boolean }) =>
    p.untrusted === true
      ? `Secret ${p.name} is not given to code that no member has approved.`
      : `The repository has no secret ${p.name}. Set it, or name another.`,
  // Build and test
  build_failed: (p: { image: string; step: string; detail: string }) => `Image ${p.image}: ${p.step}: ${p.detail}.`,
  build_context_too_large: (p: { limit: string }) => `The build context is larger than ${p.limit}. Use .dockerignore.`,
  test_failed: (p: { test: string; exit: number; detail: string }) =>
    `Test ${p.test} failed with exit code ${p.exit}${p.detail ? `: ${p.detail}` : ''}.`,
  service_not_ready: (p: { service: string; detail: string }) =>
    `Service ${p.service} did not become ready: ${p.detail}.`,
  process_killed: (p: { step: string; limitMb: number }) =>
    `A process of ${p.step} was killed at its limit of ${p.limitMb} MB of memory, and its commands went on.`,
  test_needs: (p: { test: string }) => `Left out, because it needs ${p.test}, which did not pass.`,
  timeout: (p: { step: string; seconds: number }) =>
    `${p.step} ran longer than ${p.seconds} s. Raise its timeout, or see its last lines.`,
  platform_unavailable: (p: { image: string; wanted: string; has: string }) =>
    `Image ${p.image} asks for ${p.wanted}, and is built for one platform that the engine has: ${p.has}. Name that one, or leave platforms out.`,
  out_of_memory: (p: { step: string; limitMb: number }) => `${p.step} used more than its ${p.limitMb} MB of memory.`,
  resource_limit: (p: { step: string; what: string; limit: string }) =>
    `${p.step} was ended at its limit of ${p.limit} (${p.what}).`,
  image_not_found: (p: { image: string; registry?: string }) =>
    `Image ${p.image} could not be found${p.registry ? ` at ${p.registry}` : ''}.`,
  artifact_expired: (p: { path: string; expired: string }) => `${p.path} was kept until ${p.expired}.`,
  artifact_elsewhere: (p: { path: string }) =>
    `${p.path} is not in the data folder of this api. Give api and builders the same folder artifacts in TAXIWAY_DATA.`,
  disk_full: (p: { where: string }) => `The disk of ${p.where} is full.`,
  docker_unavailable: (p: { detail: string }) => `The Docker engine does not answer: ${p.detail}.`,
  not_contained: (p: { detail: string }) =>
    `No code is run here that would not be contained: ${p.detail}. See "Containment" in SECURITY.md, or set TAXIWAY_CONTAINMENT=off.`,
  docker_daemon_restarted: () => 'The Docker engine went away in the middle of the work.',
  // Publish
  registry_auth_failed: (p: { registry: string; image?: string }) =>
    `Registry ${p.registry} refused the credentials${p.image ? ` for image ${p.image}` : ''}.`,
  registry_unavailable: (p: { registry: string; detail: string }) => `Registry ${p.registry} failed: ${p.detail}.`,
  // Roll-out
  manifest_invalid: (p: { object: string; detail: string }) => `${p.object}: ${p.detail}.`,
  manifest_forbidden: (p: { object: string; detail: string; hint?: string }) =>
    `${p.object} (${p.detail}) is forbidden here. ${p.hint ?? 'Leave it out, or see which rules of the environment an admin can change'}.`,
  program_missing: (p: { folder: string; program: string }) =>
    `${p.folder} is built by ${p.program}, which this deployer does not have. Install it where the deployer finds it (PATH).`,
  manifest_unsupported: (p: { object: string; detail: string }) =>
    `${p.object} can't be carried by this target: ${p.detail}.`,
  manifest_conflict: (p: { object: string; detail: string }) =>
    `${p.object} is also managed by somebody else: ${p.detail}.`,
  quota_exceeded: (p: { object: string; detail: string }) =>
    `${p.object} does not fit into the namespace: ${p.detail}. Ask for less, or have the quota raised.`,
  admission_refused: (p: { object: string; detail: string }) =>
    `${p.object} was refused by a rule of the cluster: ${p.detail}.`,
  image_unresolved: (p: { object: string; image: string }) =>
    `${p.object} uses image ${p.image}, which this pipeline does not build; name one of its images, or pin one by digest that an admin allowed (rule images).`,
  prune_held: (p: { count: number; all: number; names: string }) =>
    `${p.count} of ${p.all} objects are not in this release, which is more than half, so none was removed: ${p.names}. If they shall go, write "prune: all" for a release, or delete them by hand.`,
  stale_generation: (p: { generation: number; live: number }) =>
    `Generation ${p.generation} is older than what is live (${p.live}), so it was not applied.`,
  job_failed: (p: { job: string; when: 'before' | 'after_live'; detail: string }) =>
    `Job ${p.job} failed${p.when === 'before' ? ', so nothing was switched' : ''}: ${p.detail}.`,
  deploy_unhealthy: (p: { detail: string; restored: string }) => `${p.detail}; ${p.restored}.`,
  target_unavailable: (p: { detail: string }) => `No place to deploy to: ${p.detail}.`,
  cluster_not_allowed: (p: { environment: string; cluster: string; detail: string }) =>
    `Environment ${p.environment} may not be deployed to cluster ${p.cluster}: ${p.detail}.`,
  namespace_not_allowed: (p: { environment: string; namespace: string; detail: string }) =>
    `Environment ${p.environment} may not be deployed to namespace ${p.namespace}: ${p.detail}.`,
  namespace_taken: (p: { namespace: string; owner: string }) =>
    `Namespace ${p.namespace} belongs to ${p.owner}. Name another in the pipeline file, or have an admin rule it for this environment too.`,
  cluster_unavailable: (p: { seconds: number }) => `The Kubernetes API did not answer for ${p.seconds} s.`,
  cluster_forbidden: (p: { detail: string }) => `The cluster refused: ${p.detail}.`,
  approval_expired: (p: { environment: string; since: string }) =>
    `Nobody approved the release to ${p.environment}, which was asked for at ${p.since}. Deploy the run again to ask anew.`,
  approval_rejected: (p: { environment: string; who: string }) => `${p.who} rejected the release to ${p.environment}.`,
  run_not_waiting: (p: { environment: string }) =>
    `The run does not wait for an approval of ${p.environment}. See what it does or waits for.`,
  run_not_published: (p: { number: number }) =>
    `Run ${p.number} has no tested and published images any more, or never had. Run its commit again.`,
  release_not_found: (p: { environment: string; generation: number }) =>
    `Environment ${p.environment} has no release ${p.generation}, or not any more. See its list of releases.`,
  release_unreadable: (p: { generation: number; detail: string }) =>
    `What is stored of release ${p.generation} can not be read: ${p.detail}. It can't be given again; deploy its run instead.`,
  release_not_healthy: (p: { environment: string; generation: number; state: string }) =>
    `Release ${p.generation} of ${p.environment} was never healthy: it is ${p.state}. Choose one that was live.`,
  no_earlier_release: (p: { environment: string }) =>
    `Environment ${p.environment} has no earlier release of another commit that was healthy.`,
  after_not_live: (p: { environment: string; after: string }) =>
    `Environment ${p.environment} comes after ${p.after}, where this was never live. Deploy it there first.`,
  nothing_live: (p: { environment: string }) =>
    `Nothing is live in environment ${p.environment} yet. Push a commit that is deployed there.`,
  drift_persists: (p: { objects: string; times: number; by: string; next: string }) =>
    `${p.objects} was put back ${p.times} times, and ${p.by} changed it again each time. It is put back again at ${p.next}; end what changes it, or write drift: ignore.`,
  drift_not_corrected: (p: { detail: string; next: string }) =>
    `What was changed by hand could not be put back: ${p.detail}. It is tried again at ${p.next}.`,
  changes_waiting: (p: { count: number }) =>
    `${p.count} changes wait for this environment already. Wait until they are done.`,
  change_refused: (p: { workload: string; detail: string }) => `${p.workload} was not changed: ${p.detail}.`,
  change_overtaken: () =>
    'Another release went live before this was done, so it was not. Look at that one, and ask again if need be.',
  change_expired: (p: { minutes: number; detail: string }) =>
    `This could not be done within ${p.minutes} minutes: ${p.detail}. Ask again when that is over.`,
  preview_quota: (p: { environment?: string; most: number }) =>
    p.environment === undefined
      ? `${p.most} previews of this repository may stand at a time, and do. Close a pull request, or have an admin raise deploy.previews of the repository.`
      : `${p.most} previews of ${p.environment} may stand at a time, and do. Close a pull request, or raise deploy.${p.environment}.preview.most.`,
  preview_stuck: (p: { environment: string; detail: string; next: string }) =>
    `Preview ${p.environment} could not be removed: ${p.detail}. It is tried again at ${p.next}; what holds it must be taken away by hand.`,
  removal_unfinished: (p: { what: string; seconds: number; detail: string }) =>
    `${p.what} was still there ${p.seconds} s after it was removed: ${p.detail}.`,
  removal_overtaken: (p: { what: string }) =>
    `${p.what} was not removed, because somebody deployed there meanwhile. Look at it again.`,
  not_allowed_for_ref: (p: { environment: string; branch: string }) =>
    `Environment ${p.environment} is not deployed from branch ${p.branch}.`,
  // Status
  status_undeliverable: (p: { detail: string }) => `The git host does not take the status: ${p.detail}.`,
} as const satisfies Record<string, (p: never) => string>

/** One of the closed list of codes. */
export type ReasonCode = keyof typeof sentences
/** Why something was refused or failed: a stable code and one sentence a person can act on. */
export interface Reason {
  code: ReasonCode
  message: string
  /** How long the other side asks not to be asked again (Retry-After). Not kept with the run. */
  retryAfterMs?: number
}
/** Done with a value, or refused with a reason. What nobody expects is thrown instead. */
export type Outcome<T> = { ok: true; value: T } | { ok: false; reason: Reason }

type Parameters_<Code extends ReasonCode> = Parameters<(typeof sentences)[Code]>

/** All codes, for schemas and the reference page. */
export const reasonCodes = Object.keys(sentences) as ReasonCode[]

/** Makes the reason of a code from what its sentence needs. Control characters become spaces; 2,000 characters at most. */
export function reason<Code extends ReasonCode>(code: Code, ...parameters: Parameters_<Code>): Reason {
  const sentence = sentences[code] as (p?: unknown) => string
  return { code, message: oneLine(sentence(parameters[0]), 2000) }
}

/** A refusal, as an Outcome. */
export const refuse = <Code extends ReasonCode>(
  code: Code,
  ...parameters: Parameters_<Code>
): { ok: false; reason: Reason } => ({
  ok: false,
  reason: reason(code, ...parameters),
})

/** A result, as an Outcome. */
export const done = <T>(value: T): { ok: true; value: T } => ({ ok: true, value })

/** What terminals take for orders and do not show: colours, cursors, titles, links (ECMA-48, 5.4 and 5.6). */
const escapes = (() => {
  const [esc, bel, csi, end] = [0x1b, 0x07, 0x9b, 0x9c].map((code) => String.fromCharCode(code))
  const strings = [0x90, 0x98, 0x9d, 0x9e, 0x9f].map((code) => String.fromCharCode(code)).join('')
  const sequence = `(?:${esc}\\[|${csi})[0-?]*[ -/]*[@-~]`
  const text = `(?:${esc}[\\]PX^_]|[${strings}])[^${esc}${bel}${end}\\n]*(?:${bel}|${end}|${esc}\\\\)?`
  return new RegExp(`${sequence}|${text}|${esc}[ -/]*[0-~]`, 'g')
})()

/**
 * Text on one line: escape sequences are left out whole, other control characters become spaces. Cut to `limit` characters with an ellipsis.
 */
export function oneLine(text: string, limit: number): string {
  const flat = text
    .replace(escapes, '')
    .replace(turning, ' ')
    .replace(/\p{Cc}+/gu, ' ')
    .replace(/ {2,}/g, ' ')
    .trim()
  return flat.length <= limit ? flat : `${flat.slice(0, limit - 1)}…`
}

/** The last of these lines that shows anything, on one line; of a line that was written over and over, as progress bars are, its last state. */
export function lastWords(lines: readonly string[], limit: number): string {
  for (const line of lines.toReversed()) {
    const state = line.split('\r').findLast((one) => oneLine(one, 2) !== '')
    if (state !== undefined) return oneLine(state, limit).replace(/[.:]+$/, '')
  }
  return ''
}

/** The sentence of a code with `…` for all that it is about, for the reference page. */
export function sampleSentence(code: ReasonCode): string {
  const anything = new Proxy({}, { get: () => '…' })
  return (sentences[code] as (p: unknown) => string)(anything)
}
