import { spawn } from 'node:child_process'
import { constants } from 'node:fs'
import { access, mkdir } from 'node:fs/promises'
import { delimiter, isAbsolute, join } from 'node:path'
import { type Outcome, refuse } from '@taxiway/domain/reason.ts'

/** How a program is run on strangers' files. */
export interface ProgramCall {
  /** A private folder: all that it may write to. */
  folder: string
  /** Where it begins. */
  cwd: string
  signal: AbortSignal
  environment?: Record<string, string>
  /** Most processor time that it may take: a minute unless told. */
  cpuSeconds?: number
  /** How long the machine may take for that: 5 minutes unless told. */
  patienceMs?: number
}
export interface ProgramResult {
  /** 128 when it was ended. */
  exitCode: number
  stdout: Buffer
  stderr: string
  /** Why it was ended: it took too much processor time (or memory), wrote too much, or the machine had no time for it. */
  ended?: 'greedy' | 'large' | 'busy'
}
/** What goes with the rendering of manifests. */
export interface Rendering extends Pick<ProgramCall, 'signal' | 'patienceMs'> {
  say: (line: string) => void
}
const longestMs = 5 * 60_000
const longestOutput = 8 * 2 ** 20
const longestError = 64 * 1024
/** Kibibytes; beyond it the program fails. What a Go program only reserves does not count. */
const dataKib = 2 * 2 ** 20
const mostCpuSeconds = 60
/** In blocks of 512 bytes: 16 MiB for each file. */
const fileBlocks = 32_768
/** Nobody listens there: what asks a proxy, as all that goes over the network does, reaches nothing. */
const deadEnd = 'http://127.0.0.1:9'

/** Why there is nothing of a program that was ended, which was to do this: `build k8s with kustomize`. */
export function whyEnded(
  ended: NonNullable<ProgramResult['ended']>,
  { object, what, patienceMs = longestMs }: { object: string; what: string; patienceMs?: number | undefined },
): Outcome<never> {
  if (ended === 'busy') return refuse('machine_busy', { what, seconds: patienceMs / 1000 })
  const detail = {
    greedy: 'it takes more than a minute of processor time, or too much memory',
    large: 'it makes more than 8 MiB of manifests',
  }[ended]
  return refuse('manifest_invalid', { object, detail })
}

/** The path of the first of these programs on PATH. */
export async function findProgram(name: string, path = process.env.PATH ?? ''): Promise<string | undefined> {
  for (const folder of path.split(delimiter).filter(isAbsolute)) {
    const file = join(folder, name)
    if (
      await access(file, constants.X_OK).then(
        () => true,
        () => false,
      )
    )
      return file
  }
  return undefined
}

/**
 * Runs a program with an environment of its own: no credentials, no kubeconfig, no other program to be found, a home that is the private
 * folder. Its memory, processor time and files have limits, and so has its output; when the machine has no time for it, or the signal
 * fires, it and all it started are ended.
 * @throws the signal's reason
 */
export async function runProgram(file: string, args: string[], call: ProgramCall): Promise<ProgramResult> {
  call.signal.throwIfAborted()
  const home = join(call.folder, 'home')
  await mkdir(join(home, 'no-programs'), { recursive: true, mode: 0o700 })
  const limits = `ulimit -d ${dataKib} && ulimit -t ${call.cpuSeconds ?? mostCpuSeconds} && ulimit -f ${fileBlocks} && ulimit -c 0 && exec "$@"`
  const child = spawn('/bin/sh', ['-c', limits, 'sh', file, ...args], {
    cwd: call.cwd,
    env: environmentOf(home, call.environment),
    stdio: ['ignore', 'pipe', 'pipe'],
    // A group of its own: what it starts ends with it.
    detached: true,
  })
  let ended: ProgramResult['ended']
  const end = (why?: ProgramResult['ended']) => {
    ended ??= why
    try {
      if (child.pid !== undefined) process.kill(-child.pid, 'SIGKILL')
    } catch {
      // It has ended by itself.
    }
  }
  const timer = setTimeout(end, call.patienceMs ?? longestMs, 'busy')
  const stop = () => end()
  call.signal.addEventListener('abort', stop, { once: true })
  const out: Buffer[] = []
  let size = 0
  let stderr = ''
  child.stdout.on('data', (chunk: Buffer) => {
    size += chunk.length
    if (size > longestOutput) end('large')
    else out.push(chunk)
  })
  child.stderr.on('data', (chunk: Buffer) => {
    stderr = (stderr + chunk.toString()).slice(0, longestError)
  })
  try {
    const exitCode = await new Promise<number>((resolve, reject) => {
      child.once('error', reject)
      child.once('close', (code, killedBy) => {
        // Not by us: the kernel does that at its limits.
        if (killedBy === 'SIGKILL') ended ??= 'greedy'
        resolve(code ?? 128)
      })
    })
    call.signal.throwIfAborted()
    return { exitCode, stdout: Buffer.concat(out), stderr, ...(ended ? { ended } : {}) }
  } finally {
    clearTimeout(timer)
    call.signal.removeEventListener('abort', stop)
  }
}

const environmentOf = (home: string, more: Record<string, string> = {}): Record<string, string> => ({
  PATH: join(home, 'no-programs'),
  HOME: home,
  TMPDIR: home,
  LANG: 'C.UTF-8',
  KUBECONFIG: '/dev/null',
  HTTP_PROXY: deadEnd,
  HTTPS_PROXY: deadEnd,
  http_proxy: deadEnd,
  https_proxy: deadEnd,
  ...more,
})
