import { join } from 'node:path'
import { parseArgs, styleText } from 'node:util'
import { installPackages, missingPackages } from './apt.ts'
import { baseImagePackages, ensureBaseImages } from './base-images.ts'
import { enginePackages, findEngine, startEngine } from './engine.ts'
import { findCluster } from './kubernetes/kubeconfig.ts'
import { kubernetesPackages, startKubernetes } from './kubernetes/start.ts'
import type { LocalOptions, LocalPart } from './part.ts'
import { endDaemons, findProgram } from './process.ts'
import { findRedis, redisPackages, startRedis } from './redis.ts'
import { findRegistry, registryPackages, startRegistry } from './registry.ts'

/** The parts that run, and the environment in which Taxiway finds them. */
export interface Local {
  env: Record<string, string>
  parts: LocalPart[]
  stop(): Promise<void>
  /** Resolves when a program of a part ends and nobody asked for that: what Taxiway stands on is gone, and this says why. */
  died: Promise<string>
}

const variables = {
  redis: 'REDIS_URL',
  engine: 'DOCKER_HOST',
  registry: 'TAXIWAY_REGISTRY',
  kubernetes: 'KUBECONFIG',
} as const

type Lacking = Partial<Record<LocalPart['name'], string[]>>

/** What apt-get still has to bring for those parts that are neither found nor installed. */
async function lackingPackages(wanted: Set<LocalPart['name']>, say: LocalOptions['say']): Promise<Lacking> {
  const lacks = async (name: LocalPart['name'], find: () => Promise<unknown>, packages: string[]) =>
    wanted.has(name) && !(await find()) ? missingPackages(packages) : []
  const without = (program: string, packages: string[]) => (findProgram(program) ? [] : packages)
  return {
    redis: await lacks('redis', () => findRedis(say), without('redis-server', redisPackages)),
    engine: [
      ...(await lacks('engine', findEngine, without('dockerd', enginePackages))),
      ...(wanted.has('engine') ? without('busybox', baseImagePackages) : []),
    ],
    registry: await lacks('registry', findRegistry, without('docker-registry', registryPackages)),
    kubernetes: await lacks('kubernetes', () => findCluster(() => undefined), await kubernetesPackages()),
  }
}

/** Finds or starts the parts, the independent ones at the same time; a Kubernetes brings its engine with it. */
export async function startLocal(order: LocalOptions & { parts: LocalPart['name'][] }): Promise<Local> {
  const { say } = order
  const wanted = new Set(order.parts)
  if (wanted.has('kubernetes')) wanted.add('engine')
  const lacking = await lackingPackages(wanted, say)
  await installPackages(Object.values(lacking).flat(), say)
  const parts: LocalPart[] = []
  const add = (part: LocalPart) => {
    if (part.how === 'started' && lacking[part.name]?.length) part.how = 'installed and started'
    parts.push(part)
    say(`${part.name} ${part.how}: ${part.address}`)
  }
  const startEngineAndCluster = async () => {
    const engine = await startEngine(order)
    add(engine)
    await ensureBaseImages({ dockerHost: engine.address, say })
    if (wanted.has('kubernetes')) add(await startKubernetes({ ...order, dockerHost: engine.address }))
  }
  const stop = async () => {
    for (const part of parts.splice(0).reverse())
      await part.stop().catch((error: Error) => say(`${part.name}: ${error.message}`))
  }
  const starts = await Promise.allSettled([
    wanted.has('redis') ? startRedis(order).then(add) : undefined,
    wanted.has('registry') ? startRegistry(order).then(add) : undefined,
    wanted.has('engine') ? startEngineAndCluster() : undefined,
  ])
  const failed = starts.find((start) => start.status === 'rejected')
  if (failed) {
    await stop()
    throw failed.reason
  }
  const env = Object.fromEntries(parts.map((part) => [variables[part.name], part.address]))
  const died = Promise.race(parts.flatMap((part) => part.died ?? []))
  return { env, parts: [...parts], stop, died }
}

const usage = `Starts what Taxiway stands on, on this machine: Redis, a Docker engine, an image registry.
Prints an export line for each, and stays until Ctrl-C, which stops what it started.

  node deploy/local/start.ts [--kubernetes] [--folder FOLDER]

  --kubernetes   a Kubernetes too (the first time on a machine without one, this builds it: 5 to 10 minutes)
  --folder       where state and logs go (default: .taxiway/local)
  --help         this text`

async function main(): Promise<void> {
  const { values } = parseArgs({
    options: { kubernetes: { type: 'boolean' }, folder: { type: 'string' }, help: { type: 'boolean', short: 'h' } },
  })
  if (values.help) return console.log(usage)
  const names: LocalPart['name'][] = [
    'redis',
    'engine',
    'registry',
    ...(values.kubernetes ? (['kubernetes'] as const) : []),
  ]
  const folder = values.folder ?? join(import.meta.dirname, '../../.taxiway/local')
  const interrupted = new Promise<void>((resolve) => {
    for (const name of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.on(name, () => resolve())
  })
  const keepAlive = setInterval(() => undefined, 60_000)
  const starting = startLocal({ parts: names, folder, say: (line) => console.error(line) })
  const first = await Promise.race([starting, interrupted])
  if (first) {
    for (const [name, value] of Object.entries(first.env)) console.log(`export ${name}=${value}`)
    const death = await Promise.race([interrupted, first.died])
    if (death) console.error(styleText('red', death))
    await first.stop()
    if (death) process.exitCode = 1
  } else {
    console.error('interrupted: stopping')
    process.once('SIGINT', () => process.exit(130))
    endDaemons()
    await starting.then(
      (local) => local.stop(),
      () => undefined,
    )
    process.exitCode = 130
  }
  clearInterval(keepAlive)
}

if (import.meta.main)
  await main().catch((error: Error) => {
    console.error(error.message)
    process.exit(1)
  })
