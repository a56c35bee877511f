import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { installPackages } from './apt.ts'
import { baseImagePackages, ensureBaseImages } from './base-images.ts'
import { enginePackages, findEngine, startEngine } from './engine.ts'
import { findKubernetes, kubernetesPackages, startKubernetes } from './kubernetes.ts'
import type { LocalOptions, LocalPart } from './part.ts'
import { findProgram } from './process.ts'
import { findRedis, redisPackages, startRedis } from './redis.ts'
import { findRegistry, registryPackages, startRegistry } from './registry.ts'

/** The parts that run, and the environment in which Taxiway finds them. */
export interface Local {
  env: Record<string, string>
  parts: LocalPart[]
  stop(): Promise<void>
}

const variables = { redis: 'REDIS_URL', engine: 'DOCKER_HOST', registry: 'TAXIWAY_REGISTRY', kubernetes: 'KUBECONFIG' } as const

/** What apt-get still has to bring for those parts that are neither found nor installed. */
async function packagesFor(wanted: Set<LocalPart['name']>, say: LocalOptions['say']): Promise<string[]> {
  const lacks = async (name: LocalPart['name'], find: () => Promise<unknown>, program: string) =>
    wanted.has(name) && !(await find()) && !findProgram(program)
  return [
    ...((await lacks('redis', () => findRedis(say), 'redis-server')) ? redisPackages : []),
    ...((await lacks('engine', findEngine, 'dockerd')) ? enginePackages : []),
    ...(wanted.has('engine') && !findProgram('busybox') ? baseImagePackages : []),
    ...((await lacks('registry', findRegistry, 'docker-registry')) ? registryPackages : []),
    ...(wanted.has('kubernetes') && !(await findKubernetes()) ? await kubernetesPackages() : []),
  ]
}

/** Finds or starts the parts, the independent ones at the same time; a Kubernetes brings its engine with it. */
export async function startLocal(order: LocalOptions & { parts: LocalPart['name'][] }): Promise<Local> {
  const { folder, say } = order
  const wanted = new Set(order.parts)
  if (wanted.has('kubernetes')) wanted.add('engine')
  const packages = await packagesFor(wanted, say)
  const installed = packages.length > 0 && (await installPackages(packages, say))
  const parts: LocalPart[] = []
  const add = (part: LocalPart) => {
    parts.push(installed && part.how === 'started' ? Object.assign(part, { how: 'installed and started' }) : part)
    say(`${part.name} ${part.how}: ${part.address}`)
  }
  const startEngineAndCluster = async () => {
    const engine = await startEngine(order)
    add(engine)
    await ensureBaseImages({ dockerHost: engine.address, say })
    if (wanted.has('kubernetes')) add(await startKubernetes({ ...order, dockerHost: engine.address }))
  }
  const stop = async () => {
    for (const part of parts.splice(0).reverse()) await part.stop().catch((error: Error) => say(`${part.name}: ${error.message}`))
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
  return { env: Object.fromEntries(parts.map((part) => [variables[part.name], part.address])), parts: [...parts], stop }
}

const usage = `Starts what Taxiway stands on, on this machine: Redis, a Docker engine, an image registry.
Prints an export line for each, and stays until Ctrl-C, which stops what it started.

  node deploy/local/start.ts [--kubernetes] [--folder FOLDER]

  --kubernetes   a Kubernetes too (the first time on a machine without one, this builds it: about 10 minutes)
  --folder       where state and logs go (default: .local)
  --help         this text`

async function main(): Promise<void> {
  const { values } = parseArgs({
    options: { kubernetes: { type: 'boolean' }, folder: { type: 'string' }, help: { type: 'boolean', short: 'h' } },
  })
  if (values.help) return console.log(usage)
  const names: LocalPart['name'][] = ['redis', 'engine', 'registry', ...(values.kubernetes ? (['kubernetes'] as const) : [])]
  const folder = values.folder ?? join(import.meta.dirname, '../../.local')
  const interrupted = new Promise<void>((resolve) => {
    for (const name of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.on(name, () => resolve())
  })
  const keepAlive = setInterval(() => undefined, 60_000)
  const starting = startLocal({ parts: names, folder, say: (line) => console.error(line) })
  const first = await Promise.race([starting, interrupted])
  if (first) {
    for (const [name, value] of Object.entries(first.env)) console.log(`export ${name}=${value}`)
    await interrupted
  } else console.error('stopping as soon as the start is through')
  await (await starting).stop()
  clearInterval(keepAlive)
}

if (import.meta.main) await main().catch((error: Error) => {
  console.error(error.message)
  process.exit(1)
})
