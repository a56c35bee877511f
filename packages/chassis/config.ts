import { existsSync } from 'node:fs'
import { homedir, hostname } from 'node:os'
import { join, resolve } from 'node:path'
import { installationOf, readKey } from './key.ts'

/** Every environment variable, its default and one line of help. The README's table is made from this list. */
export const variables = {
  TAXIWAY_URL: { default: 'http://localhost:8080', help: 'Public address, used in links and webhook URLs.' },
  TAXIWAY_PORT: { default: '8080', help: 'Port the api listens on.' },
  TAXIWAY_BIND: { default: '0.0.0.0', help: 'Address the api listens on.' },
  TAXIWAY_DATA: { default: './.taxiway/data', help: 'Folder for mirrors, workspaces, artifacts and the key file.' },
  TAXIWAY_ADMIN_TOKEN: { default: '', help: 'First admin token. Without it one is made and printed once.' },
  TAXIWAY_SECRET_KEY: {
    default: '',
    help: '32 bytes as base64 or hex that encrypt secrets. Without it a key file is made in TAXIWAY_DATA.',
  },
  TAXIWAY_REGISTRY: { default: '127.0.0.1:5000', help: 'Where images are published: host, or host/prefix.' },
  TAXIWAY_REGISTRY_USER: { default: '', help: 'User name for that registry.' },
  TAXIWAY_REGISTRY_PASSWORD: { default: '', help: 'Password for that registry.' },
  TAXIWAY_ALLOWED_ORIGINS: {
    default: '',
    help: 'Origins (comma-separated) of git hosts that may be plain http or on a private address.',
  },
  TAXIWAY_TARGET: {
    default: 'auto',
    help: 'kubernetes, docker, or auto: the cluster that KUBECONFIG names or the deployer runs in, else docker.',
  },
  TAXIWAY_SERVES: {
    default: '',
    help: 'Targets of this deployer (comma-separated): docker, kubeconfig, or names of clusters. Default: all.',
  },
  TAXIWAY_CONTROLLERS: {
    default: '',
    help: 'Field managers of the cluster (comma-separated, * at the end) that may add to objects beside the controllers that are known: what they add is no drift.',
  },
  TAXIWAY_CONCURRENCY: { default: '2', help: 'Runs that one builder works on at a time.' },
  TAXIWAY_CONTAINMENT: {
    default: 'required',
    help: "required: a builder that can't hold the code of runs within its network and limits refuses runs. off: an admin's word that it may run them all the same.",
  },
  TAXIWAY_EGRESS: {
    default: 'internet',
    help: 'What tests, and build steps on a dedicated engine, may connect to: internet (nothing private, not this machine), none, or open (no rules).',
  },
  TAXIWAY_EGRESS_ALLOW: {
    default: '',
    help: 'Private addresses or ranges (comma-separated) that they may connect to all the same, like a package mirror.',
  },
  TAXIWAY_WORK_SUBNET: { default: '10.213.0.0/16', help: 'Pool of addresses for the networks of tests.' },
  TAXIWAY_ENGINE: {
    default: 'shared',
    help: 'dedicated: nothing but builds uses the default bridge of the engine, so the rules cover it and with it build steps. shared: steps of trusted builds reach what the machine reaches, those of untrusted builds have no network.',
  },
  TAXIWAY_ENGINE_BRIDGE: {
    default: '',
    help: "Interface of the engine's default bridge. Without it a builder asks the engine, and a guard takes docker0.",
  },
  TAXIWAY_GUARD: {
    default: '/run/taxiway',
    help: 'Folder in which a guard tells builders which build steps it ended.',
  },
  TAXIWAY_BUILD_MEMORY_MB: { default: '4096', help: 'Memory of one build step.' },
  TAXIWAY_BUILD_PIDS: { default: '4096', help: 'Processes of one build step.' },
  TAXIWAY_BUILD_CPUS: { default: '4', help: 'Processors of one build step.' },
  TAXIWAY_BUILD_DISK_MB: { default: '20480', help: 'What one build step may write.' },
  TAXIWAY_BUILD_CGROUP: { default: 'docker/buildkit', help: 'Cgroup below which the engine puts build steps.' },
  TAXIWAY_TEST_DISK_MB: { default: '10240', help: 'What one test container may write.' },
  TAXIWAY_WORK_FILES: { default: '500000', help: 'Files that one test container or build step may make.' },
  TAXIWAY_TEST_CONTAINERS: {
    default: '8',
    help: 'Containers of tests and their services that one builder runs at a time; each may use 2 GB and 2 processors, and a test that asks for more memory takes the place of several.',
  },
  TAXIWAY_CLONE_MB: { default: '2048', help: 'Largest fetch, and largest tree of files, of one commit.' },
  TAXIWAY_HEALTH_PORT: {
    default: '0',
    help: 'Port for /livez, /readyz and /metrics of a process without the api role; 0 is off.',
  },
  TAXIWAY_LOG_LEVEL: { default: 'info', help: 'fatal, error, warn, info, debug or trace.' },
  TAXIWAY_DRAIN_MS: {
    default: '15000',
    help: 'At a shutdown, work that is not done after so many milliseconds is given back to others.',
  },
  TAXIWAY_LEASE_MS: {
    default: '10000',
    help: 'A worker that was not heard of for so many milliseconds is lost, and its runs go on with another. The same for all processes.',
  },
  TAXIWAY_PREVIEW_LOOK_MS: {
    default: '60000',
    help: 'How often, in milliseconds, the git host is asked whether the pull request of a preview is still open.',
  },
  TAXIWAY_PREVIEW_REMOVE_MS: {
    default: '90000',
    help: 'What the removal of a preview may take, in milliseconds; then the reason is told, and it is tried again after a third of it, then twice as long.',
  },
  TAXIWAY_STOP_MS: {
    default: '10000',
    help: 'What a container on an engine has to end, in milliseconds, before it is killed.',
  },
  TAXIWAY_RETRY_BASE_MS: { default: '1000', help: 'First pause, in milliseconds, before a status is sent again.' },
  TAXIWAY_RETRY_PAUSES_MS: {
    default: '1000,3000,10000,30000,90000',
    help: 'Pauses, in milliseconds (comma-separated), after which a run whose git host, registry, engine or cluster was away is tried again, but not before it says (Retry-After of git hosts; of registries, as far as the words that an engine passes on tell it); other faults of the infrastructure after the first only.',
  },
  TAXIWAY_SWEEP_MS: {
    default: '30000',
    help: 'How often, in milliseconds, a builder removes from its engine and disk what ended runs left.',
  },
  TAXIWAY_LEAST_FREE: {
    default: '5',
    help: 'Percent of the disk that must be free for a builder to take another run; with less it pauses and says so.',
  },
  TAXIWAY_CACHE_GB: { default: '20', help: 'What each engine may keep for later builds, in GB.' },
  TAXIWAY_KEEP_RUNS: {
    default: '30',
    help: 'Days until ended runs, beyond the newest 100 of a repository, and the images of runs are removed; never what a kept release uses.',
  },
  REDIS_URL: { default: 'redis://127.0.0.1:6379', help: 'The record and the queue.' },
  DOCKER_HOST: { default: 'unix:///var/run/docker.sock', help: 'The engine of builders and of the docker target.' },
  KUBECONFIG: { default: '', help: 'Clusters of the deployer.' },
} as const satisfies Record<string, { default: string; help: string }>
export type Variable = keyof typeof variables

/** The whole configuration, read once and passed on. */
export interface Config {
  url: string
  port: number
  bind: string
  dataFolder: string
  adminToken: string | undefined
  secretKey: Uint8Array
  /** Short name of this installation, the same in all processes that have the key. */
  installation: string
  registry: { prefix: string; user: string; password: string }
  allowedOrigins: string[]
  target: 'auto' | 'kubernetes' | 'docker'
  /** Names of the targets that this deployer rolls out to; none: all. */
  serves: string[]
  /** Field managers of clusters that an admin lists as controllers. */
  controllers: string[]
  concurrency: number
  /** Must the code of runs be contained? */
  isContained: boolean
  egress: { mode: 'internet' | 'none' | 'open'; allow: string[]; subnet: string; isDedicated: boolean; bridge: string }
  guardFolder: string
  limits: {
    testDiskMb: number
    workFiles: number
    testContainers: number
    cloneMb: number
    step: { memoryMb: number; pids: number; cpus: number; diskMb: number; files: number; cgroup: string }
  }
  healthPort: number
  logLevel: string
  drainMs: number
  leaseMs: number
  previews: { lookMs: number; removeMs: number }
  stopMs: number
  retryBaseMs: number
  retryPausesMs: number[]
  sweepMs: number
  leastFreePercent: number
  cacheGb: number
  keepRunsDays: number
  redisUrl: string
  dockerHost: string
  kubeconfig: string | undefined
  /** Does this process run in a pod of a cluster? */
  isInCluster: boolean
  /** Names this process in records and messages. */
  worker: string
}

/**
 * Reads the configuration from the environment; makes the data folder and, when none is given, the key file (mode 0600), but
 * not for a process that is `keyless`.
 * @throws Error with every bad variable named, one a line
 */
export function readConfig(environment: Record<string, string | undefined>, { keyless } = { keyless: false }): Config {
  const problems: string[] = []
  const { text, list, integer, integers, oneOf, url } = makeReader(environment, problems)
  const dataFolder = resolve(text('TAXIWAY_DATA'))
  const home = join(homedir(), '.kube', 'config')
  const config = {
    url: url('TAXIWAY_URL'),
    port: integer('TAXIWAY_PORT', 0, 65535),
    bind: text('TAXIWAY_BIND'),
    dataFolder,
    adminToken: text('TAXIWAY_ADMIN_TOKEN') || undefined,
    registry: {
      prefix: text('TAXIWAY_REGISTRY').replace(/\/+$/, ''),
      user: text('TAXIWAY_REGISTRY_USER'),
      password: text('TAXIWAY_REGISTRY_PASSWORD'),
    },
    allowedOrigins: list('TAXIWAY_ALLOWED_ORIGINS'),
    target: oneOf('TAXIWAY_TARGET', ['auto', 'kubernetes', 'docker'] as const),
    serves: list('TAXIWAY_SERVES'),
    controllers: list('TAXIWAY_CONTROLLERS'),
    concurrency: integer('TAXIWAY_CONCURRENCY', 1, 64),
    isContained: oneOf('TAXIWAY_CONTAINMENT', ['required', 'off'] as const) === 'required',
    guardFolder: text('TAXIWAY_GUARD'),
    egress: {
      mode: oneOf('TAXIWAY_EGRESS', ['internet', 'none', 'open'] as const),
      allow: list('TAXIWAY_EGRESS_ALLOW'),
      subnet: text('TAXIWAY_WORK_SUBNET'),
      isDedicated: oneOf('TAXIWAY_ENGINE', ['shared', 'dedicated'] as const) === 'dedicated',
      bridge: text('TAXIWAY_ENGINE_BRIDGE'),
    },
    limits: {
      testDiskMb: integer('TAXIWAY_TEST_DISK_MB', 1, 2 ** 20),
      workFiles: integer('TAXIWAY_WORK_FILES', 1, 2 ** 31),
      testContainers: integer('TAXIWAY_TEST_CONTAINERS', 1, 1024),
      cloneMb: integer('TAXIWAY_CLONE_MB', 1, 2 ** 20),
      step: {
        memoryMb: integer('TAXIWAY_BUILD_MEMORY_MB', 16, 2 ** 20),
        pids: integer('TAXIWAY_BUILD_PIDS', 16, 2 ** 20),
        cpus: integer('TAXIWAY_BUILD_CPUS', 1, 1024),
        diskMb: integer('TAXIWAY_BUILD_DISK_MB', 1, 2 ** 24),
        files: integer('TAXIWAY_WORK_FILES', 1, 2 ** 31),
        cgroup: text('TAXIWAY_BUILD_CGROUP'),
      },
    },
    healthPort: integer('TAXIWAY_HEALTH_PORT', 0, 65535),
    logLevel: oneOf('TAXIWAY_LOG_LEVEL', ['info', 'fatal', 'error', 'warn', 'debug', 'trace', 'silent'] as const),
    drainMs: integer('TAXIWAY_DRAIN_MS', 0, 600_000),
    leaseMs: integer('TAXIWAY_LEASE_MS', 1000, 600_000),
    previews: {
      lookMs: integer('TAXIWAY_PREVIEW_LOOK_MS', 100, 3_600_000),
      removeMs: integer('TAXIWAY_PREVIEW_REMOVE_MS', 1000, 3_600_000),
    },
    stopMs: integer('TAXIWAY_STOP_MS', 0, 600_000),
    retryBaseMs: integer('TAXIWAY_RETRY_BASE_MS', 1, 600_000),
    retryPausesMs: integers('TAXIWAY_RETRY_PAUSES_MS', 0, 3_600_000),
    sweepMs: integer('TAXIWAY_SWEEP_MS', 100, 3_600_000),
    leastFreePercent: integer('TAXIWAY_LEAST_FREE', 0, 99),
    cacheGb: integer('TAXIWAY_CACHE_GB', 0, 100_000),
    keepRunsDays: integer('TAXIWAY_KEEP_RUNS', 1, 36_500),
    redisUrl: url('REDIS_URL'),
    dockerHost: text('DOCKER_HOST'),
    kubeconfig: text('KUBECONFIG') || (existsSync(home) ? home : undefined),
    isInCluster: Boolean(environment.KUBERNETES_SERVICE_HOST),
    worker: `${hostname()}-${process.pid}`,
  }
  problems.push(...wrongForms(config))
  const needsKey = problems.length === 0 && !keyless
  const secretKey = needsKey ? readKey(text('TAXIWAY_SECRET_KEY'), dataFolder, problems) : new Uint8Array()
  if (problems.length > 0) throw new Error(`The configuration is not valid:\n  ${problems.join('\n  ')}`)
  return { ...config, secretKey, installation: installationOf(secretKey) }
}

/** Reads variables one by one, and notes what is wrong with them. */
function makeReader(environment: Record<string, string | undefined>, problems: string[]) {
  const text = (name: Variable): string => environment[name]?.trim() || variables[name].default
  const list = (name: Variable): string[] =>
    text(name)
      .split(',')
      .map((item) => item.trim())
      .filter(Boolean)
  const whole = (name: Variable, word: string, least: number, most: number): number => {
    const value = Number(word)
    if (!Number.isInteger(value) || value < least || value > most)
      problems.push(`${name} must be a whole number from ${least} to ${most}`)
    return value
  }
  const integer = (name: Variable, least: number, most: number): number => whole(name, text(name), least, most)
  const integers = (name: Variable, least: number, most: number): number[] =>
    list(name).map((word) => whole(name, word, least, most))
  const oneOf = <Word extends string>(name: Variable, words: readonly Word[]): Word => {
    const value = words.find((word) => word === text(name))
    if (!value) problems.push(`${name} must be one of ${words.join(', ')}`)
    return value ?? (words[0] as Word)
  }
  const url = (name: Variable): string => {
    if (!URL.canParse(text(name))) problems.push(`${name} must be a URL`)
    return text(name).replace(/\/+$/, '')
  }
  return { text, list, integer, integers, oneOf, url }
}

/** What is wrong with the origins and ranges. */
function wrongForms({ allowedOrigins, egress }: Pick<Config, 'allowedOrigins' | 'egress'>): string[] {
  const origins = allowedOrigins.filter((origin) => !URL.canParse(origin) || new URL(origin).origin !== origin)
  const ranges = [...egress.allow, egress.subnet].filter((range) => !/^\d{1,3}(\.\d{1,3}){3}(\/\d{1,2})?$/.test(range))
  return [
    ...origins.map((origin) => `TAXIWAY_ALLOWED_ORIGINS: ${origin} is not an origin like https://git.example.com`),
    ...ranges.map((range) => `TAXIWAY_EGRESS_ALLOW and TAXIWAY_WORK_SUBNET: ${range} is not a range like 10.0.0.0/8`),
  ]
}
