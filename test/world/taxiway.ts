import { type ChildProcess, spawn } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { once } from 'node:events'
import { createWriteStream, mkdirSync } from 'node:fs'
import { createServer } from 'node:net'
import { join } from 'node:path'
import { endingWithUs } from '../../deploy/local/process.ts'

/** Taxiway as people run it: real processes, spoken to over HTTP. */
export interface Taxiway {
  url: string
  token: string
  /** Where its processes write their logs. */
  folder: string
  /** Where builders and deployers keep their files. */
  data: string
  environment: Record<string, string | undefined>
  /** Calls the API; answers status and parsed body. */
  call(method: string, path: string, body?: unknown): Promise<{ status: number; body: any }>
  /** Starts one more process with these roles (all, when none is named). */
  start(roles?: string[], environment?: Record<string, string>): Promise<RoleProcess>
  processes: RoleProcess[]
  /** Waits for a run to fulfil the condition. @throws after `deadlineMs`, with the run and its log */
  waitRun(id: string, condition: (run: any) => boolean, deadlineMs: number): Promise<any>
  log(id: string): Promise<string>
  stop(): Promise<void>
}
export interface RoleProcess {
  child: ChildProcess
  roles: string[]
  kill(signal: NodeJS.Signals): Promise<void>
}
export interface TaxiwayOptions {
  folder: string
  /** REDIS_URL, DOCKER_HOST, TAXIWAY_REGISTRY, KUBECONFIG, and whatever else a test sets. */
  environment: Record<string, string | undefined>
}

const root = join(import.meta.dirname, '../..')
const terminal = ['succeeded', 'failed', 'errored', 'cancelled', 'superseded']
export const isOver = (run: { state: string }): boolean => terminal.includes(run.state)

/** As in `npm start` and the image: a smaller young generation, 10 MB less for the same speed; */
const nodeOptions = ['--max-semi-space-size=8']
/** and code that is compiled once for all processes and threads, and memory that is given back: 15 MB less. */
const nodeEnvironment = { NODE_COMPILE_CACHE: join(root, '.cache/compiled'), MALLOC_ARENA_MAX: '2' }

/** A port that was free a moment ago. */
export async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address() as { port: number }
  server.close()
  await once(server, 'close')
  return port
}

/** Prepares a Taxiway of its own; `start` then runs its processes. */
export async function makeTaxiway({ folder, environment }: TaxiwayOptions): Promise<Taxiway> {
  mkdirSync(folder, { recursive: true })
  const port = await freePort()
  const url = `http://127.0.0.1:${port}`
  const token = randomBytes(24).toString('hex')
  const base = {
    TAXIWAY_URL: url,
    TAXIWAY_PORT: String(port),
    TAXIWAY_BIND: '127.0.0.1',
    TAXIWAY_DATA: join(folder, 'data'),
    TAXIWAY_ADMIN_TOKEN: token,
    // Leftovers are awaited, not the time until they are looked for.
    TAXIWAY_SWEEP_MS: '2000',
    // One more try, and at once: what is retried for minutes has tests of its own.
    TAXIWAY_RETRY_PAUSES_MS: '100',
    // Enough for whoever ends when asked to; a shell as process 1 never does.
    TAXIWAY_STOP_MS: '3000',
  }
  const processes: RoleProcess[] = []

  const call: Taxiway['call'] = async (method, path, body) => {
    const response = await fetch(`${url}/api/v1${path}`, {
      method,
      headers: {
        authorization: `Bearer ${token}`,
        ...(body === undefined ? {} : { 'content-type': 'application/json' }),
      },
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
      signal: AbortSignal.timeout(20_000),
    })
    const text = await response.text()
    return {
      status: response.status,
      body: response.headers.get('content-type')?.includes('json') ? JSON.parse(text) : text,
    }
  }
  const taxiway: Taxiway = {
    url,
    token,
    folder,
    data: environment.TAXIWAY_DATA ?? base.TAXIWAY_DATA,
    environment,
    call,
    processes,
    async start(roles = [], extra = {}) {
      const [command = '', ...args] = endingWithUs(
        'KILL',
        process.execPath,
        ...nodeOptions,
        'services/start.ts',
        ...roles,
      )
      const child = spawn(command, args, {
        cwd: root,
        env: { PATH: process.env.PATH, HOME: process.env.HOME, ...nodeEnvironment, ...base, ...environment, ...extra },
        stdio: ['ignore', 'pipe', 'pipe'],
      })
      const started: RoleProcess = { child, roles, kill: (signal) => end(child, signal) }
      processes.push(started)
      await ready(child, createWriteStream(join(folder, `${roles.join('-') || 'all'}-${child.pid}.log`)))
      return started
    },
    async waitRun(id, condition, deadlineMs) {
      const until = performance.now() + deadlineMs
      let run: any
      while (performance.now() < until) {
        run = (await call('GET', `/runs/${id}`).catch(() => undefined))?.body
        if (run?.id && condition(run)) return run
        await new Promise((resolve) => setTimeout(resolve, 50))
      }
      throw new Error(
        `run ${id} did not get there in ${deadlineMs / 1000} s: ${JSON.stringify(run, undefined, 1)}\n${await taxiway.log(id).catch(String)}`,
      )
    },
    log: async (id) => (await call('GET', `/runs/${id}/logs`)).body,
    async stop() {
      await Promise.all(processes.map((one) => end(one.child, 'SIGTERM')))
    },
  }
  return taxiway
}

/** Waits for the line that says `ready`, keeping all output in a file. */
function ready(child: ChildProcess, file: NodeJS.WritableStream): Promise<void> {
  return new Promise((resolve, reject) => {
    let seen = ''
    const take = (chunk: Buffer) => {
      file.write(chunk)
      if (seen.length < 200_000) seen += chunk.toString()
      if (/"msg":"ready"/.test(seen)) resolve()
    }
    child.stdout?.on('data', take)
    child.stderr?.on('data', take)
    child.once('exit', (code) => reject(new Error(`Taxiway ended with ${code}:\n${seen}`)))
  })
}

async function end(child: ChildProcess, signal: NodeJS.Signals): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return
  const exited = once(child, 'exit')
  child.kill(signal)
  if (signal === 'SIGSTOP' || signal === 'SIGCONT') return
  await exited
}
