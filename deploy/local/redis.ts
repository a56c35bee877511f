import { mkdirSync } from 'node:fs'
import { connect } from 'node:net'
import { join } from 'node:path'
import { connect as connectTls } from 'node:tls'
import { installPackages } from './apt.ts'
import { foundPart, type LocalOptions, type LocalPart } from './part.ts'
import { type Daemon, findProgram, freePort, startDaemon, waitUntil } from './process.ts'

/** The Debian packages behind startRedis. */
export const redisPackages = ['redis-server']

/** A Redis of our own, which a test may kill by its pid and bring back. */
export interface StartedRedis extends LocalPart {
  /** Of the process that runs now; 0 for a Redis that was found. */
  readonly pid: number
  /** Starts it again on the same port and folder, after a kill or in place of a running one. */
  restart(): Promise<void>
}

/** What INFO answers there, or undefined when nobody does within two seconds. */
function askInfo(url: string): Promise<string | undefined> {
  const { hostname, port, username, password, protocol } = new URL(url)
  const target = { host: hostname.replace(/^\[|\]$/g, '') || '127.0.0.1', port: Number(port || 6379) }
  const words = (list: string[]) =>
    `*${list.length}\r\n${list.map((word) => `$${Buffer.byteLength(word)}\r\n${word}\r\n`).join('')}`
  const auth = password
    ? words(['AUTH', ...(username ? [decodeURIComponent(username)] : []), decodeURIComponent(password)])
    : ''
  return new Promise((resolve) => {
    const socket = protocol === 'rediss:' ? connectTls({ ...target, servername: hostname }) : connect(target)
    let text = ''
    const done = (answer: string | undefined) => {
      clearTimeout(deadline)
      socket.destroy()
      resolve(answer)
    }
    const deadline = setTimeout(() => done(undefined), 2000)
    socket.on('error', () => done(undefined))
    socket.on('data', (chunk) => {
      text += chunk.toString()
      if (/^-/m.test(text)) done(undefined)
      else if (/^maxmemory_policy:.*\r\n[\s\S]*^aof_enabled:\d/m.test(text)) done(text)
    })
    socket.write(`${auth}${words(['INFO'])}`)
  })
}

/** Will this Redis keep what it was told? It must write an append-only file and never evict. */
async function isSafeRedis(url: string): Promise<boolean> {
  const info = await askInfo(url)
  return info !== undefined && /^maxmemory_policy:noeviction\r$/m.test(info) && /^aof_enabled:1\r$/m.test(info)
}

/** The Redis of REDIS_URL, or a safe one at the usual port; undefined when there is none. */
export async function findRedis(say: LocalOptions['say']): Promise<string | undefined> {
  const given = process.env.REDIS_URL
  if (given) {
    if ((await askInfo(given)) === undefined)
      throw new Error('REDIS_URL is set, but no Redis answers there: start it, or unset REDIS_URL.')
    if (!(await isSafeRedis(given)))
      say('The Redis of REDIS_URL is not safe: it needs appendonly yes and maxmemory-policy noeviction.')
    return given
  }
  const usual = 'redis://127.0.0.1:6379'
  return (await isSafeRedis(usual)) ? usual : undefined
}

/** Starts the installed server and waits until it answers under its own process id. */
async function launch(folder: string, port: number, more: string[]): Promise<Daemon> {
  const dir = join(folder, 'redis')
  mkdirSync(dir, { recursive: true })
  const place = ['--port', String(port), '--bind', '127.0.0.1', '--daemonize', 'no', '--dir', dir]
  const safe = ['--appendonly', 'yes', '--appendfsync', 'always', '--maxmemory-policy', 'noeviction', '--save', '']
  const command = findProgram('redis-server') ?? 'redis-server'
  const daemon = await startDaemon({ name: 'redis', command, args: [...place, ...safe, ...more], folder })
  const isUp = async () => (await askInfo(`redis://127.0.0.1:${port}`))?.includes(`process_id:${daemon.pid}\r`) === true
  try {
    await waitUntil('Redis', 30, isUp, daemon)
  } catch (error) {
    await daemon.stop()
    throw error
  }
  return daemon
}

const notOurs = () => Promise.reject(new Error('This Redis was found, not started: it is not ours to restart.'))

/** Finds a Redis, or starts one on a free loopback port; `fresh` always starts a private one. */
export async function startRedis(
  o: LocalOptions,
  wish: { fresh?: boolean; port?: number; args?: string[] } = {},
): Promise<StartedRedis> {
  const found = wish.fresh ? undefined : await findRedis(o.say)
  if (found) return { ...foundPart('redis', found), pid: 0, restart: notOurs }
  const installed = findProgram('redis-server') ? false : await installPackages(redisPackages, o.say)
  const port = await freePort(wish.port)
  if (wish.port && port !== wish.port) throw new Error(`Port ${wish.port} is taken.`)
  const start = () => launch(o.folder, port, wish.args ?? [])
  let daemon = await start()
  return {
    name: 'redis',
    how: installed ? 'installed and started' : 'started',
    address: `redis://127.0.0.1:${port}`,
    stop: () => daemon.stop(),
    get died() {
      return daemon.died
    },
    get pid() {
      return daemon.pid
    },
    restart: async () => {
      await daemon.stop()
      daemon = await start()
    },
  }
}
