import type { RepositoryId, RunId } from '@taxiway/domain/ids.ts'

/** Every key name, once. All keys start with `taxiway:`. */
export const keys = {
  /** Counter: order of intake over all runs. */
  sequence: 'taxiway:sequence',
  /** Stream: every event of every run. */
  events: 'taxiway:events',
  /** Sorted sets of run ids by sequence. */
  runs: 'taxiway:runs',
  runsOf: (repo: RepositoryId) => `taxiway:runs:repo:${repo}`,
  runsOfSha: (sha: string) => `taxiway:runs:sha:${sha}`,
  /** Set: ids of runs that have not ended. */
  openRuns: 'taxiway:runs:open',
  /** Hash: repository id -> number of its last turn to have a run built. */
  turns: 'taxiway:turns',
  /** Hash: builder -> when it was last heard of (ms), and how many runs it takes at a time. */
  builders: 'taxiway:builders',
  /** Sorted set: runs whose statuses may differ from the git host's, by when to look again (ms, the server's clock). */
  statusDue: 'taxiway:status:due',
  /** Hash: context -> what the git host was last told; context and subject -> what the newest run for that says. */
  statusPosted: (repo: RepositoryId, sha: string) => `taxiway:status:posted:${repo}:${sha}`,
  /** Hash: doc, version, number, sequence, state, fence. */
  run: (id: RunId) => `taxiway:run:${id}`,
  /** String with a time to live: who holds the run. */
  lease: (id: RunId) => `taxiway:run:${id}:lease`,
  /** Stream: the run's log. */
  log: (id: RunId) => `taxiway:run:${id}:log`,
  /** Hash: environment -> what the run's release there changes. */
  diffs: (id: RunId) => `taxiway:run:${id}:diffs`,
  /** Hash: image -> what is stated about its origin. */
  provenance: (id: RunId) => `taxiway:run:${id}:provenance`,
  /** Hash: the delivery as it came, and the run it made. */
  delivery: (repo: RepositoryId, delivery: string) => `taxiway:delivery:${repo}:${delivery}`,
  /** Counter: run numbers of a repository. */
  runNumber: (repo: RepositoryId) => `taxiway:repo:${repo}:number`,
  repository: (repo: RepositoryId) => `taxiway:repo:${repo}`,
  /** Hash: name -> sealed value, its size, and when it was written. */
  repositorySecrets: (repo: RepositoryId) => `taxiway:repo:${repo}:secrets`,
  /** Hash: content key -> published image; and a sorted set of the keys by last use (ms). */
  imageKeys: (repo: RepositoryId) => `taxiway:repo:${repo}:images`,
  imageKeysUsed: (repo: RepositoryId) => `taxiway:repo:${repo}:images:used`,
  /** Hash with a time to live: image of a registry -> the digest that the last run used. */
  usedDigests: (repo: RepositoryId) => `taxiway:repo:${repo}:digests`,
  /** Hash: registry host -> user, sealed password, and when it was written. */
  registries: 'taxiway:registries',
  /** Hash: cluster -> its address, sealed access, revision, and when it was written; and cluster -> what was found last. */
  clusters: 'taxiway:clusters',
  clusterChecks: 'taxiway:clusters:checks',
  /** List: ids of checks that no deployer has taken yet. */
  askedChecks: 'taxiway:clusters:asked',
  /** Strings with a time to live: what is to be checked, and what was found. */
  askedCheck: (id: string) => `taxiway:clusters:asked:${id}`,
  checkAnswer: (id: string) => `taxiway:clusters:answer:${id}`,
  /** Sorted set by time of last use (ms): images that we pulled into an engine. */
  pulledImages: (engine: string) => `taxiway:pulled:${engine}`,
  /** Sorted set by time of last use (ms): volumes that tests keep folders in. */
  caches: (engine: string) => `taxiway:caches:${engine}`,
  /** String with a time to live: who prunes the record. */
  pruning: 'taxiway:pruning',
  /** Sorted set: repository ids by time of registration. */
  repositories: 'taxiway:repos',
  /** Hash: `host:owner/name` and origin -> repository id. */
  repositoryNames: 'taxiway:repos:names',
  /** Set: names of the environments that were given a release or a rule. */
  environments: (repo: RepositoryId) => `taxiway:environments:${repo}`,
  /** Hash: wanted run, its sequence; the newest run that came to the gate, its sequence; generation, live release, rules, runs that failed in a row, hold, number of changes, replicas chosen by hand. */
  environment: (repo: RepositoryId, environment: string) => `taxiway:environment:${repo}:${environment}`,
  /** Hash: address of a cluster and namespace -> repository/environment that owns it. */
  namespaces: 'taxiway:namespaces',
  /** Hash: generation -> release; and digest -> object that releases have. */
  releases: (repo: RepositoryId, environment: string) => `taxiway:releases:${repo}:${environment}`,
  /** String with a time to live: who rolls out to the environment. */
  lane: (repo: RepositoryId, environment: string) => `taxiway:lane:${repo}:${environment}`,
  /** Sorted set: deployers, each with the targets that it serves, by when they were last heard of (ms). */
  deployers: 'taxiway:deployers',
  /** String with a time to live: who looks at the environment. */
  watch: (repo: RepositoryId, environment: string) => `taxiway:watch:${repo}:${environment}`,
  /** String with a time to live: what was seen of it last. */
  seen: (repo: RepositoryId, environment: string) => `taxiway:seen:${repo}:${environment}`,
  /** Hash: number -> a change by hand, or what was noted of one. */
  changes: (repo: RepositoryId, environment: string) => `taxiway:changes:${repo}:${environment}`,
  /** Set: `<repository id>/<environment>` with changes that wait for a deployer. */
  openChanges: 'taxiway:changes:open',
  /** Hash: environment -> the preview that it is; and environment -> why that could not be removed. */
  previews: (repo: RepositoryId) => `taxiway:previews:of:${repo}`,
  previewTroubles: (repo: RepositoryId) => `taxiway:previews:troubles:${repo}`,
  /** Sorted set: `<repository id>/<environment>` of previews by when to hold them against their pull request (ms). */
  previewsDue: 'taxiway:previews:due',
  /** Set: repositories and clusters that previews were ever deployed to. */
  previewClusters: 'taxiway:previews:clusters',
  /** Hash: token id -> record; hash of the token -> id. */
  tokens: 'taxiway:tokens',
  /** Prefix of the queue library's own keys. */
  queue: 'taxiway:queue',
} as const
