import { execFile, spawn } from 'node:child_process'
import { closeSync, existsSync, mkdirSync, openSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { connect, createServer } from 'node:net'
import { delimiter, join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'

/** A program that runs in the background until stop(). */
export interface Daemon {
  name: string
  pid: number
  alive(): boolean
  /** SIGTERM, a wait, SIGKILL. */
  stop(graceSeconds?: number): Promise<void>
  lastLines(): string
  /** Resolves when it ends and nobody asked for that: with its name, how it ended, and its last lines, for people. */
  died: Promise<string>
}

interface Owner {
  pid: number
  started: string
  parent: number
  parentStarted: string
}

const running = new Map<number, Daemon>()
/** Those that were asked to end. */
const asked = new Set<number>()
const givenPorts = new Set<number>()

/** When a process started, in kernel ticks: with the pid it names one process for good. Empty when it is gone. */
function startOf(pid: number): string {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'utf8')
    const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ')
    return fields[0] === 'Z' ? '' : (fields[19] ?? '')
  } catch {
    return ''
  }
}

/** To the whole process group, which each daemon leads: a build has children. */
function signal(pid: number, name: NodeJS.Signals): void {
  try {
    process.kill(-pid, name)
  } catch {
    // It is gone already.
  }
}

async function end(pid: number, isAlive: () => boolean, graceSeconds: number): Promise<void> {
  for (const [name, seconds] of [
    ['SIGTERM', graceSeconds],
    ['SIGKILL', 5],
  ] as const) {
    if (!isAlive()) return
    signal(pid, name)
    for (const until = Date.now() + seconds * 1000; isAlive() && Date.now() < until; ) await sleep(50)
  }
}

/** Ends what an earlier parent left in this folder; refuses when that parent still runs. */
async function endLeftover(name: string, pidFile: string): Promise<void> {
  if (!existsSync(pidFile)) return
  let owner: Owner
  try {
    owner = JSON.parse(readFileSync(pidFile, 'utf8')) as Owner
  } catch {
    return
  }
  const isAlive = () => owner.started !== '' && startOf(owner.pid) === owner.started
  if (isAlive()) {
    if (owner.parentStarted !== '' && startOf(owner.parent) === owner.parentStarted)
      throw new Error(
        `${name} already runs for process ${owner.parent} (see ${pidFile}): stop that one or use another folder.`,
      )
    await end(owner.pid, isAlive, 20)
  }
  rmSync(pidFile, { force: true })
}

function readLastLines(logFile: string, lines = 15): string {
  try {
    return readFileSync(logFile, 'utf8').trimEnd().split('\n').slice(-lines).join('\n')
  } catch {
    return ''
  }
}

/** Asks all daemons of this process to end, and waits for none. */
export function endDaemons(): void {
  for (const { pid } of running.values()) {
    asked.add(pid)
    signal(pid, 'SIGTERM')
  }
}

/** A command line whose program the kernel sends this signal when our process is gone, however that happened. */
export function endingWithUs(name: 'TERM' | 'KILL', ...line: string[]): string[] {
  const setpriv = findProgram('setpriv')
  return setpriv ? [setpriv, '--pdeathsig', name, '--', ...line] : line
}

/** Starts a program in its own process group, its output in `<folder>/<name>.log` and its pid in `<folder>/<name>.pid`. */
export async function startDaemon(order: {
  name: string
  command: string
  args: string[]
  folder: string
  env?: NodeJS.ProcessEnv
}): Promise<Daemon> {
  const { name, folder } = order
  mkdirSync(folder, { recursive: true })
  const pidFile = join(folder, `${name}.pid`)
  const logFile = join(folder, `${name}.log`)
  await endLeftover(name, pidFile)
  const log = openSync(logFile, 'a')
  const env = { ...process.env, ...order.env }
  const line = endingWithUs('TERM', order.command, ...order.args)
  const child = spawn(line[0] ?? '', line.slice(1), { stdio: ['ignore', log, log], detached: true, env })
  closeSync(log)
  await new Promise<void>((resolve, reject) => {
    child.once('spawn', resolve)
    child.once('error', (error) => reject(new Error(`${name} cannot be started: ${error.message}`)))
  })
  const pid = child.pid ?? 0
  const owner: Owner = { pid, started: startOf(pid), parent: process.pid, parentStarted: startOf(process.pid) }
  writeFileSync(pidFile, JSON.stringify(owner))
  const { promise: died, resolve: tellDeath } = Promise.withResolvers<string>()
  const lastLines = () => readLastLines(logFile)
  child.once('exit', (code, killedBy) => {
    running.delete(pid)
    if (asked.delete(pid)) return
    const lines = lastLines()
    const how = killedBy ?? `exit code ${code}`
    tellDeath(`${name} ended by itself (${how})${lines ? `. Its last lines:\n${lines}` : ', and wrote nothing.'}`)
  })
  child.unref()
  const alive = () => child.exitCode === null && child.signalCode === null
  const stop = async (graceSeconds = 15) => {
    if (alive()) asked.add(pid)
    await end(pid, alive, graceSeconds)
    rmSync(pidFile, { force: true })
  }
  const daemon: Daemon = { name, pid, alive, stop, lastLines, died }
  if (running.size === 0) process.off('exit', endDaemons).on('exit', endDaemons)
  running.set(pid, daemon)
  return daemon
}

/** Asks until the answer is yes; throws at the deadline, or as soon as one of the daemons has ended, with its last log lines. */
export async function waitUntil(
  what: string,
  seconds: number,
  check: () => Promise<boolean>,
  ...daemons: Daemon[]
): Promise<void> {
  const started = Date.now()
  let reason = ''
  for (;;) {
    try {
      if (await check()) return
    } catch (error) {
      reason = error instanceof Error ? error.message : String(error)
    }
    const ended = daemons.find((daemon) => !daemon.alive())
    if (ended || Date.now() - started > seconds * 1000) {
      const why = ended ? `${ended.name} ended` : `not within ${seconds} s`
      const told = ended ?? daemons[0]
      const log = told?.lastLines()
      throw new Error(`${what}: ${why}. ${reason}${log ? `\nLast lines of ${told?.name}:\n${log}` : ''}`)
    }
    await sleep(100)
  }
}

/** A port on 127.0.0.1 that nobody listens on; the preferred one if it is free. */
export async function freePort(preferred = 0): Promise<number> {
  const port = await new Promise<number>((resolve) => {
    const server = createServer()
    server.once('error', () => resolve(0))
    server.listen({ port: preferred, host: '127.0.0.1', exclusive: true }, () => {
      const address = server.address()
      server.close(() => resolve(typeof address === 'object' && address ? address.port : 0))
    })
  })
  if (!preferred && givenPorts.has(port)) return freePort()
  givenPorts.add(port)
  return port || (preferred ? freePort() : Promise.reject(new Error('No free port on 127.0.0.1.')))
}

/** Does anybody accept connections there? */
export function answers(target: { path: string } | { host: string; port: number }): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect({ ...target, timeout: 2000 })
    const done = (yes: boolean) => {
      socket.destroy()
      resolve(yes)
    }
    socket.once('connect', () => done(true))
    socket.once('error', () => done(false))
    socket.once('timeout', () => done(false))
  })
}

/** The full path of an installed program, or undefined. Looks in the sbin folders too. */
export function findProgram(name: string): string | undefined {
  const folders = [...(process.env.PATH ?? '').split(delimiter), '/usr/local/sbin', '/usr/sbin', '/sbin']
  return folders.map((folder) => join(folder, name)).find((path) => existsSync(path))
}

/** Runs a program to its end; throws with the last lines of its output when it fails or takes too long. */
export function runProgram(
  command: string,
  args: string[],
  options: { seconds: number; cwd?: string; env?: NodeJS.ProcessEnv } = { seconds: 60 },
): Promise<string> {
  const env = { ...process.env, ...options.env }
  return new Promise((resolve, reject) => {
    const settings = { cwd: options.cwd, env, timeout: options.seconds * 1000, maxBuffer: 64 * 1024 * 1024 }
    execFile(command, args, settings, (error, stdout, stderr) => {
      if (!error) return resolve(stdout)
      const output = `${stdout}\n${stderr}`.trim().split('\n').slice(-12).join('\n')
      reject(new Error(`${[command, ...args].join(' ').slice(0, 200)} failed:\n${output || error.message}`))
    })
  })
}
