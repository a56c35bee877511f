import { parseArgs } from 'node:util'
import { type Config, readConfig } from '@taxiway/chassis/config.ts'
import { makeMetrics, type ReadinessCheck, serveHealth } from '@taxiway/chassis/health.ts'
import { type Part, stopOnSignals } from '@taxiway/chassis/lifecycle.ts'
import { type Logger, makeLogger } from '@taxiway/chassis/logger.ts'
import { giveBackMemory } from '@taxiway/chassis/memory.ts'
import { checkDurable, redisFault, waitReady } from '@taxiway/store/redis/connection.ts'
import { openStore, type Store } from '@taxiway/store/store.ts'

/** Each role with what loads it: a process imports only what it runs. */
const roles = {
  api: async (context: Context) => (await import('./api/main.ts')).startApi(context),
  builder: async (context: Context) => (await import('./builder/main.ts')).startBuilder(context),
  deployer: async (context: Context) => (await import('./deployer/main.ts')).startDeployer(context),
  status: async (context: Context) => (await import('./status/main.ts')).startStatus(context),
} satisfies Record<string, (context: Context) => Promise<Part>>
type Role = keyof typeof roles

interface Context {
  config: Config
  store: Store
  logger: Logger
  metrics: ReturnType<typeof makeMetrics>
  ready: ReadinessCheck
}

const usage = `Usage: npm start -- [role...]

Roles: ${[...Object.keys(roles), 'proxy'].join(', ')}. Without one, all run in this process.
The proxy leads to what the docker target has live; as a process of its own it serves on while the others are away.
A process of its own is guard: as root beside an engine, it holds the network and limits of what builders without rights run there.
Configuration comes from the environment; the README lists every variable.
`

/** A shutdown may take this much longer than the time that work has to finish. */
const graceMs = 15_000

async function main(): Promise<void> {
  const { values, positionals } = parseArgs({
    allowPositionals: true,
    options: { help: { type: 'boolean', short: 'h' } },
  })
  if (values.help) return void process.stdout.write(usage)
  const unknown = positionals.filter((name) => !(name in roles) && name !== 'guard' && name !== 'proxy')
  if (unknown.length > 0) throw new Error(`There is no role ${unknown.join(', ')}.\n\n${usage}`)
  if (positionals.includes('guard')) return guard(positionals)
  if (positionals.every((name) => name === 'proxy') && positionals.length > 0) return proxy()
  const names = positionals.length > 0 ? positionals : [...Object.keys(roles), 'proxy']
  const wanted = names.filter((name): name is Role => name in roles)
  const config = readConfig(process.env)
  const logger = makeLogger(config.logLevel, wanted.length === 1 ? (wanted[0] as string) : 'all')
  const store = openStore(config)
  const parts: Part[] = [{ name: 'store', stop: () => store.close() }]
  stopOnSignals(parts, logger, config.drainMs + graceMs)

  if (names.includes('proxy'))
    parts.push((await import('./proxy/main.ts')).startProxy({ config, logger: logger.child({ role: 'proxy' }) }))
  // Parts may start in any order: wait for Redis as long as it takes, and say so.
  while (!(await waitReady(store.redis, 5000)))
    logger.warn({ url: withoutPassword(config.redisUrl) }, 'waiting for Redis')
  await refuseUnsafeRedis(store, logger)
  const metrics = makeMetrics()
  const ready: ReadinessCheck = async () => {
    const answer = await store.redis.ping().then(() => undefined, redisFault)
    const all = parts.flatMap((part) => part.readiness?.() ?? [])
    const problem = answer && !answer.ok ? answer.reason.message : all.find((one) => one.problem)?.problem
    return { problem, notes: all.flatMap(({ notes = [] }) => notes) }
  }
  const token = wanted.includes('api') ? await store.tokens.ensureAdmin(config.adminToken) : undefined
  if (token) process.stdout.write(`First admin token, shown this once: ${token}\n`)
  for (const role of wanted)
    parts.push(await roles[role]({ config, store, logger: logger.child({ role }), metrics, ready }))
  if (config.healthPort > 0 && !wanted.includes('api')) parts.push(await serveHealth(config.healthPort, metrics, ready))
  giveBackMemory()
  logger.info({ roles: names }, 'ready')
}

/** Has no store and no key: what it serves by is in the data folder and in the engine. */
async function proxy(): Promise<void> {
  const config = readConfig(process.env, { keyless: true })
  const logger = makeLogger(config.logLevel, 'proxy')
  const part = (await import('./proxy/main.ts')).startProxy({ config, logger })
  const parts = [part]
  stopOnSignals(parts, logger, graceMs)
  if (config.healthPort > 0)
    parts.push(
      await serveHealth(config.healthPort, makeMetrics(), async () => ({ problem: part.readiness?.().notes?.[0] })),
    )
  giveBackMemory()
  logger.info({ roles: ['proxy'] }, 'ready')
}

/** Has no store, no key and no engine: it takes orders from nobody. */
async function guard(roles: string[]): Promise<void> {
  if (roles.length > 1) throw new Error('The role guard runs alone, in a process of its own.')
  const config = readConfig(process.env, { keyless: true })
  const logger = makeLogger(config.logLevel, 'guard')
  stopOnSignals([await (await import('./guard/main.ts')).startGuard({ config, logger })], logger, graceMs)
  logger.info({ roles }, 'ready')
}

async function refuseUnsafeRedis(store: Store, logger: Logger): Promise<void> {
  for (;;) {
    const checked = await checkDurable(store.redis).catch(() => undefined)
    if (checked?.ok && checked.value.warning) logger.warn(checked.value.warning)
    if (checked?.ok) return
    if (checked) throw new Error(`${checked.reason.code}: ${checked.reason.message}`)
    await new Promise((resolve) => setTimeout(resolve, 500))
  }
}

const withoutPassword = (url: string) => {
  const parsed = new URL(url)
  parsed.password = ''
  return parsed.href
}

main().catch((error: unknown) => {
  process.stderr.write(`${error instanceof Error ? error.message : String(error)}\n`)
  process.exit(1)
})
