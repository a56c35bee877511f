import { code, outage, permanent, type ReasonRecord, refusal } from './kinds.ts'

/** What befalls a roll-out, what is live, and the status of it. */
export const rollOutReasons = {
  // Roll-out
  manifest_invalid: refusal(
    400,
    (p: { object: string; detail: string }) => `${p.object}: ${p.detail}${/[.!?]$/.test(p.detail) ? '' : '.'}`,
  ),
  manifest_forbidden: refusal(
    400,
    (p: { object: string; detail: string; hint?: string }) =>
      `${p.object} (${p.detail}) is forbidden here. ${p.hint ?? 'Leave it out'}.`,
  ),
  program_missing: permanent(
    400,
    (p: { folder: string; program: string }) =>
      `${p.folder} is built by ${p.program}, which this deployer does not have. Install it where the deployer finds it (PATH).`,
  ),
  chart_left_out: code(
    400,
    (p: { chart: string; what: string }) =>
      `Of chart ${p.chart} is left out: ${p.what}. Hooks of deletion and rollback never run here; definitions for a whole cluster are an admin's.`,
  ),
  manifest_unsupported: refusal(
    400,
    (p: { object: string; detail: string }) => `${p.object} can't be carried by this target: ${p.detail}.`,
  ),
  manifest_conflict: refusal(
    400,
    (p: { object: string; detail: string; trouble?: string }) =>
      `${p.object} ${p.trouble ?? 'is also managed by somebody else'}: ${p.detail}.`,
  ),
  objects_undecided: refusal(
    409,
    (p: { what: string; live: string }) =>
      `${p.what} is not deleted yet, because this runs: ${p.live}. Say what becomes of it: objects=keep leaves it running; objects=delete, for an environment, takes it away.`,
  ),
  quota_exceeded: code(
    400,
    (p: { object: string; detail: string }) =>
      `${p.object} does not fit into the namespace: ${p.detail}. Ask for less, or have the quota raised.`,
  ),
  admission_refused: code(
    400,
    (p: { object: string; detail: string }) => `${p.object} was refused by a rule of the cluster: ${p.detail}.`,
  ),
  image_unresolved: code(
    400,
    (p: { object: string; image: string; hint?: string }) =>
      `${p.object} uses image ${p.image}, which this pipeline does not build. ${p.hint ?? 'Name one of its images, or one that an admin allowed (rule images)'}.`,
  ),
  prune_held: code(
    400,
    (p: { count: number; all: number; names: string }) =>
      `${p.count} of ${p.all} objects are not in this release, which is more than half, so none was removed: ${p.names}. If they shall go, write "prune: all" for a release, or delete them by hand.`,
  ),
  service_without_pods: code(
    400,
    (p: { services: string }) =>
      `The selector of ${p.services} fits no pod of this release, so nobody answers there. Let it name labels that a pod template has.`,
  ),
  services_cross: code(
    400,
    (p: { detail: string }) =>
      `${p.detail}. Requests go to both: give pods and selectors a label of their environment, or each environment its own namespace.`,
  ),
  stale_generation: permanent(
    400,
    (p: { generation: number; live: number }) =>
      `Generation ${p.generation} is older than what is live (${p.live}), so it was not applied.`,
  ),
  job_failed: refusal(
    400,
    (p: { job: string; when: 'before' | 'after_live'; detail: string }) =>
      `Job ${p.job} failed${p.when === 'before' ? ', so nothing was switched' : ''}: ${p.detail}.`,
  ),
  deploy_unhealthy: code(400, (p: { detail: string; restored: string }) => `${p.detail}; ${p.restored}.`),
  target_unavailable: permanent(400, (p: { detail: string }) => `No place to deploy to: ${p.detail}.`),
  target_unserved: outage(
    400,
    (p: { target: string }) =>
      `No deployer that is up serves ${p.target}: start one that has ${p.target} in TAXIWAY_SERVES.`,
  ),
  cluster_not_allowed: code(
    400,
    (p: { environment: string; cluster: string; detail: string }) =>
      `Environment ${p.environment} may not be deployed to cluster ${p.cluster}: ${p.detail}.`,
  ),
  namespace_not_allowed: code(
    400,
    (p: { environment: string; namespace: string; detail: string }) =>
      `Environment ${p.environment} may not be deployed to namespace ${p.namespace}: ${p.detail}.`,
  ),
  namespace_taken: code(
    400,
    (p: { namespace: string; owner: string }) =>
      `Namespace ${p.namespace} belongs to ${p.owner}. Name another in the pipeline file, or have an admin rule it for this environment too.`,
  ),
  cluster_unavailable: outage(400, (p: { seconds: number }) => `The Kubernetes API did not answer for ${p.seconds} s.`),
  cluster_forbidden: permanent(400, (p: { detail: string }) => `The cluster refused: ${p.detail}.`),
  approval_expired: code(
    400,
    (p: { environment: string; since: string }) =>
      `Nobody approved the release to ${p.environment}, which was asked for at ${p.since}. Deploy the run again to ask anew.`,
  ),
  approval_rejected: code(
    400,
    (p: { environment: string; who: string }) => `${p.who} rejected the release to ${p.environment}.`,
  ),
  run_not_waiting: code(
    409,
    (p: { environment: string }) =>
      `The run does not wait for an approval of ${p.environment}. See what it does or waits for.`,
  ),
  run_not_published: code(
    409,
    (p: { number: number }) =>
      `Run ${p.number} has no tested and published images any more, or never had. Run its commit again.`,
  ),
  release_not_found: code(
    404,
    (p: { environment: string; generation: number }) =>
      `Environment ${p.environment} has no release ${p.generation}, or not any more. See its list of releases.`,
  ),
  release_unreadable: code(
    409,
    (p: { generation: number; detail: string }) =>
      `What is stored of release ${p.generation} can not be read: ${p.detail}. It can't be given again; deploy its run instead.`,
  ),
  image_gone: code(
    400,
    (p: { image: string; generation: number }) =>
      `Image ${p.image} of release ${p.generation} is not at its registry any more, so nothing was touched. Choose another release, or build that commit again.`,
  ),
  release_not_healthy: code(
    409,
    (p: { environment: string; generation: number; state: string }) =>
      `Release ${p.generation} of ${p.environment} was never healthy: it is ${p.state}. Choose one that was live.`,
  ),
  no_earlier_release: code(
    409,
    (p: { environment: string }) =>
      `Environment ${p.environment} has no earlier release of another commit that was healthy.`,
  ),
  after_not_live: code(
    409,
    (p: { environment: string; after: string }) =>
      `Environment ${p.environment} comes after ${p.after}, where this was never live. Deploy it there first.`,
  ),
  nothing_live: code(
    409,
    (p: { environment: string }) =>
      `Nothing is live in environment ${p.environment} yet. Push a commit that is deployed there.`,
  ),
  drift_persists: code(
    400,
    (p: { objects: string; times: number; by: string; next: string }) =>
      `${p.objects} was put back ${p.times} times, and ${p.by} changed it again each time. It is put back again at ${p.next}; end what changes it, or write drift: ignore.`,
  ),
  drift_not_corrected: code(
    400,
    (p: { detail: string; next: string }) =>
      `What was changed by hand could not be put back: ${p.detail}. It is tried again at ${p.next}.`,
  ),
  changes_waiting: code(
    409,
    (p: { count: number }) => `${p.count} changes wait for this environment already. Wait until they are done.`,
  ),
  change_refused: code(400, (p: { workload: string; detail: string }) => `${p.workload} was not changed: ${p.detail}.`),
  change_overtaken: code(
    400,
    () => 'Another release went live before this was done, so it was not. Look at that one, and ask again if need be.',
  ),
  change_expired: code(
    400,
    (p: { minutes: number; detail: string }) =>
      `This could not be done within ${p.minutes} minutes: ${p.detail}. Ask again when that is over.`,
  ),
  preview_quota: code(400, (p: { environment?: string; most: number }) =>
    p.environment === undefined
      ? `${p.most} previews of this repository may stand at a time, and do. Close a pull request, or have an admin raise deploy.previews of the repository.`
      : `${p.most} previews of ${p.environment} may stand at a time, and do. Close a pull request, or raise deploy.${p.environment}.preview.most.`,
  ),
  preview_stuck: code(
    400,
    (p: { environment: string; detail: string; next: string }) =>
      `Preview ${p.environment} could not be removed: ${p.detail}. It is tried again at ${p.next}; what holds it must be taken away by hand.`,
  ),
  removal_unfinished: code(
    400,
    (p: { what: string; seconds: number; detail: string }) =>
      `${p.what} was still there ${p.seconds} s after it was removed: ${p.detail}.`,
  ),
  removal_overtaken: code(
    400,
    (p: { what: string }) => `${p.what} was not removed, because somebody deployed there meanwhile. Look at it again.`,
  ),
  not_allowed_for_ref: code(
    403,
    (p: { environment: string; branch: string }) =>
      `Environment ${p.environment} is not deployed from branch ${p.branch}.`,
  ),
  // Status
  status_undeliverable: code(400, (p: { detail: string }) => `The git host does not take the status: ${p.detail}.`),
} as const satisfies Record<string, ReasonRecord>
