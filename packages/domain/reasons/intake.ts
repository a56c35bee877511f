import { code, infrastructure, outage, permanent, type ReasonRecord } from './kinds.ts'

/** What intake and the API refuse, and what starts nothing. */
export const intakeReasons = {
  // Intake
  signature_invalid: code(
    401,
    () => 'The signature does not match. Check the webhook secret of this repository on the git host.',
  ),
  body_too_large: code(413, (p: { limitMb: number }) => `The body is larger than ${p.limitMb} MB.`),
  bodies_full: code(503, () => 'Too many large bodies are on their way right now. Send it again in a moment.'),
  body_invalid: code(400, (p: { detail: string }) => `The body is not what was expected: ${p.detail}.`),
  content_type_unsupported: code(
    415,
    (p: { type: string }) => `Content type ${p.type} is not supported. Send application/json.`,
  ),
  content_encoding_unsupported: code(415, () => 'A compressed body is not accepted. Send it as it is.'),
  delivery_id_invalid: code(400, () => 'The delivery id header is missing or malformed.'),
  request_timeout: code(408, () => 'The request took too long to arrive.'),
  rate_limited: code(429, () => 'Too many requests. Wait a moment and try again.'),
  host_unknown: code(404, (p: { host: string }) => `Git host ${p.host} is not supported. Use github.`),
  queue_full: code(
    503,
    () => 'Redis is out of memory, so nothing new can be accepted. Raise maxmemory or remove old runs.',
  ),
  redis_unavailable: outage(
    503,
    () => 'Redis does not answer, so nothing can be promised right now. Try again shortly.',
  ),
  redis_eviction_enabled: code(
    400,
    (p: { policy: string }) =>
      `Redis has maxmemory-policy ${p.policy}, which may throw away accepted work. Set it to noeviction.`,
  ),
  redis_not_durable: code(
    400,
    () => 'Redis does not write an append-only file. Set appendonly yes and appendfsync always.',
  ),
  // Events that start nothing
  ignored_branch: code(
    400,
    (p: { branch: string }) => `Branch ${p.branch} is not among the branches of this repository.`,
  ),
  ignored_branch_deleted: code(400, () => 'The branch was deleted.'),
  ignored_tag_deleted: code(400, () => 'The tag was deleted.'),
  repository_followed: code(
    400,
    (p: { from: string; to: string }) =>
      `The repository is called ${p.to} now, and is followed there; it was ${p.from}.`,
  ),
  ignored_tag: code(
    400,
    (p: { tag: string }) =>
      `Tag ${p.tag} is not among the tags of this repository. Change them to the tags that shall start runs, like ["v*"].`,
  ),
  ignored_pull_request: code(
    400,
    () => 'Pull requests start nothing here. Change pullRequests of this repository to members or all.',
  ),
  fork_needs_approval: code(
    400,
    (p: { number: number }) =>
      `Pull request #${p.number} comes from a fork, whose code starts nothing here. Change pullRequests of this repository to all to run it without secrets.`,
  ),
  ignored_by_pipeline: code(400, (p: { rule: string }) => `The pipeline leaves this out: ${p.rule}.`),
  ignored_skip_ci: code(400, () => 'The commit message asks to skip CI.'),
  ref_invalid: code(400, (p: { ref: string }) => `${p.ref} is not a valid ref.`),
  sha_invalid: code(400, () => 'The commit id is not a full hexadecimal object name.'),
  // API
  unauthorized: code(401, () => 'A valid bearer token is needed. Pass it as "Authorization: Bearer <token>".'),
  forbidden: code(403, (p: { scope: string }) => `This token lacks the scope ${p.scope}.`),
  not_found: code(404, (p: { what: string }) => `There is no such ${p.what}.`),
  input_invalid: code(400, (p: { detail: string }) => `The input is not valid: ${p.detail}.`),
  repository_exists: code(409, (p: { id: string }) => `This repository is registered already, as ${p.id}.`),
  run_not_cancellable: code(409, (p: { state: string }) => `The run is ${p.state} already, so it can't be cancelled.`),
  manual_not_allowed: code(
    400,
    () => 'This pipeline is not started by hand. Write "on: { manual: {} }" into .taxiway.yaml to allow it.',
  ),
  ref_not_found: code(400, (p: { ref: string }) => `The git host knows no ${p.ref}.`),
  run_not_finished: code(409, () => "The run has not ended yet, so it can't be run again. Cancel it first."),
  url_not_allowed: code(
    400,
    (p: { detail: string }) =>
      `The URL is not allowed: ${p.detail}. Private addresses and plain http must be listed in TAXIWAY_ALLOWED_ORIGINS.`,
  ),
  secrets_unreadable: permanent(
    500,
    () =>
      'What is kept encrypted can not be read with this TAXIWAY_SECRET_KEY. Start with the key that wrote it, or write tokens and secrets anew.',
  ),
  kubeconfig_refused: code(400, (p: { detail: string }) => `The kubeconfig is not taken: ${p.detail}.`),
  cluster_unusable: code(
    409,
    (p: { name: string; detail: string }) =>
      `Cluster ${p.name} can't be used: ${p.detail}. Mend that, or register it all the same with "force": true.`,
  ),
  cluster_unchecked: code(
    503,
    (p: { name: string; seconds: number }) =>
      `No deployer looked at cluster ${p.name} in ${p.seconds} s. Start a process with the role deployer, or register it unchecked with "force": true.`,
  ),
  cluster_in_use: code(
    409,
    (p: { name: string; by: string }) => `Cluster ${p.name} is still named by ${p.by}. Change that first.`,
  ),
  unknown_error: infrastructure(500, () => 'Something went wrong on our side. The log of the service has the details.'),
} as const satisfies Record<string, ReasonRecord>
