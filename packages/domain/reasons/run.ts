import { byChance, code, infrastructure, outage, permanent, type ReasonRecord } from './kinds.ts'

/** What befalls a run until its images are published. */
export const runReasons = {
  // Record and attempts
  fenced: code(400, (p: { attempt: number; current: number }) => `FENCED attempt=${p.attempt} current=${p.current}`),
  worker_lost: infrastructure(
    400,
    (p: { worker: string; since: string }) => `Worker ${p.worker} has been silent since ${p.since}.`,
  ),
  poisoned: permanent(
    400,
    (p: { workers: number }) => `The run crashed ${p.workers} workers, so it is not tried again.`,
  ),
  worker_paused: code(
    400,
    (p: { worker: string; percent: number }) =>
      `Builder ${p.worker} takes no runs: only ${p.percent} % of its disk is free. Make room, or lower TAXIWAY_LEAST_FREE.`,
  ),
  drained: code(400, (p: { worker: string }) => `Worker ${p.worker} was shut down. The run goes on with another.`),
  machine_busy: infrastructure(
    503,
    (p: { what: string; seconds: number }) =>
      `The machine was too busy to ${p.what} within ${p.seconds} s. Try again, or give it less to do at a time.`,
  ),
  cancelled_by: code(400, (p: { who: string }) => `Cancelled by ${p.who}.`),
  superseded: code(400, (p: { by: string }) => `A newer push took its place: ${p.by}.`),
  // Checkout
  commit_not_found: code(400, (p: { sha: string }) => `Commit ${p.sha} is not in the repository any more.`),
  git_auth_failed: permanent(
    400,
    (p: { host: string }) => `${p.host} refused the token of this repository. Give it a valid one.`,
  ),
  git_unavailable: outage(
    400,
    (p: { host: string; detail: string }) => `${p.host} could not be fetched from: ${p.detail}.`,
  ),
  content_invalid: code(
    400,
    (p: { detail: string }) =>
      `The commit or what it holds is not as git would write it (${p.detail}), and could mean other files than it shows. Find it with git fsck --strict, and write it anew.`,
  ),
  git_redirected: code(
    400,
    (p: { host: string }) => `${p.host} redirects to another place. Register the repository under its new URL.`,
  ),
  clone_too_large: code(
    400,
    (p: { limitMb: number } | { limit: string }) =>
      `The repository is larger than ${'limit' in p ? p.limit : `${p.limitMb} MB`}.`,
  ),
  config_invalid: code(400, (p: { detail: string }) => `.taxiway.yaml is not valid: ${p.detail}.`),
  config_misnamed: code(400, (p: { found: string; beside?: boolean }) =>
    p.beside === true
      ? `${p.found} stands beside .taxiway.yaml, and only that one is read. Remove one of them.`
      : `${p.found} is not read. Rename it to .taxiway.yaml, in the root of the repository.`,
  ),
  image_not_allowed: code(
    400,
    (p: { image: string; detail: string }) => `Image ${p.image} may not be used here: ${p.detail}.`,
  ),
  option_not_allowed: code(400, (p: { option: string }) => `The option ${p.option} is not allowed.`),
  nothing_to_do: code(400, (p: { hasFile?: boolean } = {}) =>
    p.hasFile === true
      ? '.taxiway.yaml names neither images nor tests, so there is nothing to do.'
      : 'There is neither a .taxiway.yaml nor a Dockerfile, so there is nothing to build.',
  ),
  image_moved: code(
    400,
    (p: { image: string; before: string; now: string }) =>
      `${p.image} has moved since the last run that used it: it was ${p.before}, and is ${p.now}.`,
  ),
  pointers_left: code(
    400,
    (p: { paths: string }) =>
      `${p.paths}: Git LFS pointers, which are only fetched with "checkout: { lfs: true }" in .taxiway.yaml. Builds and tests get the pointers, not what they stand for.`,
  ),
  large_file_missing: code(
    400,
    (p: { path: string; detail: string }) =>
      `${p.path}: its content is not in Git LFS (${p.detail}). Push it with git lfs push --all.`,
  ),
  submodules_left: code(
    400,
    (p: { paths: string }) =>
      `${p.paths}: submodules, which Taxiway does not fetch. Builds and tests find empty folders there.`,
  ),
  path_outside_repo: code(400, (p: { path: string }) => `${p.path} leads out of the repository.`),
  file_not_found: code(400, (p: { path: string }) => `${p.path} is not in the commit.`),
  file_too_large: code(400, (p: { path: string; limitKb: number }) => `${p.path} is larger than ${p.limitKb} KB.`),
  secret_missing: code(400, (p: { name: string; untrusted?: boolean }) =>
    p.untrusted === true
      ? `Secret ${p.name} is not given to code that no member has approved.`
      : `The repository has no secret ${p.name}. Set it, or name another.`,
  ),
  // Build and test
  build_failed: code(
    400,
    (p: { image: string; step: string; detail: string }) => `Image ${p.image}: ${p.step}: ${p.detail}.`,
  ),
  build_context_too_large: code(
    400,
    (p: { limit: string }) => `The build context is larger than ${p.limit}. Use .dockerignore.`,
  ),
  test_failed: byChance(
    code(
      400,
      (p: { test: string; exit: number; detail: string }) =>
        `Test ${p.test} failed with exit code ${p.exit}${p.detail ? `: ${p.detail}` : ''}.`,
    ),
  ),
  service_not_ready: byChance(
    code(400, (p: { service: string; detail: string }) => `Service ${p.service} did not become ready: ${p.detail}.`),
  ),
  process_killed: code(
    400,
    (p: { step: string; limitMb: number }) =>
      `A process of ${p.step} was killed at its limit of ${p.limitMb} MB of memory, and its commands went on.`,
  ),
  report_differs: code(
    400,
    (p: { test: string; failed: number; total: number }) =>
      `The commands of test ${p.test} ended with 0, so it has passed, although its report says that ${p.failed} of ${p.total} failed.`,
  ),
  report_unread: code(
    400,
    (p: { test: string; detail: string }) => `Test ${p.test} has passed without its report: ${p.detail}.`,
  ),
  test_needs: code(400, (p: { test: string }) => `Left out, because it needs ${p.test}, which did not pass.`),
  timeout: byChance(
    code(
      400,
      (p: { step: string; seconds: number }) =>
        `${p.step} ran longer than ${p.seconds} s. Raise its timeout, or see its last lines.`,
    ),
  ),
  platform_unavailable: code(
    400,
    (p: { image: string; wanted: string; has: string }) =>
      `Image ${p.image} asks for ${p.wanted}, and is built for one platform that the engine has: ${p.has}. Name that one, or leave platforms out.`,
  ),
  out_of_memory: byChance(
    infrastructure(
      400,
      (p: { step: string; limitMb: number }) => `${p.step} used more than its ${p.limitMb} MB of memory.`,
    ),
  ),
  resource_limit: byChance(
    code(
      400,
      (p: { step: string; what: string; limit: string }) =>
        `${p.step} was ended at its limit of ${p.limit} (${p.what}).`,
    ),
  ),
  image_not_found: code(
    400,
    (p: { image: string; registry?: string }) =>
      `Image ${p.image} could not be found${p.registry ? ` at ${p.registry}` : ''}.`,
  ),
  artifact_expired: code(410, (p: { path: string; expired: string }) => `${p.path} was kept until ${p.expired}.`),
  artifact_elsewhere: code(
    404,
    (p: { path: string }) =>
      `${p.path} is not in the data folder of this api. Give api and builders the same folder artifacts in TAXIWAY_DATA.`,
  ),
  disk_full: infrastructure(400, (p: { where: string }) => `The disk of ${p.where} is full.`),
  docker_unavailable: outage(400, (p: { detail: string }) => `The Docker engine does not answer: ${p.detail}.`),
  not_contained: permanent(
    400,
    (p: { detail: string }) =>
      `No code is run here that would not be contained: ${p.detail}. See "Containment" in SECURITY.md, or set TAXIWAY_CONTAINMENT=off.`,
  ),
  docker_daemon_restarted: outage(400, () => 'The Docker engine went away in the middle of the work.'),
  // Publish
  registry_auth_failed: permanent(
    400,
    (p: { registry: string; image?: string }) =>
      `Registry ${p.registry} refused the credentials${p.image ? ` for image ${p.image}` : ''}.`,
  ),
  registry_unavailable: outage(
    400,
    (p: { registry: string; detail: string }) => `Registry ${p.registry} failed: ${p.detail}.`,
  ),
} as const satisfies Record<string, ReasonRecord>
