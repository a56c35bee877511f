import { spawn } from 'node:child_process'
import { constants } from 'node:fs'
import { access, mkdir } from 'node:fs/promises'
import { delimiter, isAbsolute, join } from 'node:path'

/** How a program is run on strangers' files. */
export interface ProgramCall {
  /** A private folder: all that it may write to. */
  folder: string
  /** Where it begins. */
  cwd: string
  signal: AbortSignal
  environment?: Record<string, string>
}
export interface ProgramResult {
  /** 128 when it was ended. */
  exitCode: number
  stdout: Buffer
  stderr: string
  /** Why it was ended: it ran too long, or wrote too much. */
  ended?: 'late' | 'large'
}
const deadlineMs = 60_000
const longestOutput = 8 * 2 ** 20
const longestError = 64 * 1024
/** Kibibytes; beyond it the program fails. What a Go program only reserves does not count. */
const dataKib = 2 * 2 ** 20
const cpuSeconds = 60
/** In blocks of 512 bytes: 16 MiB for each file. */
const fileBlocks = 32_768
/** Nobody listens there: what asks a proxy, as all that goes over the network does, reaches nothing. */
const deadEnd = 'http://127.0.0.1:9'

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
 * folder. Its memory, processor time and files have limits, and so has its output; at the deadline, or when the signal fires, it and
 * all it started are ended.
 * @throws the signal's reason
 */
export async function runProgram(file: string, args: string[], call: ProgramCall): Promise<ProgramResult> {
  call.signal.throwIfAborted()
  const home = join(call.folder, 'home')
  await mkdir(join(home, 'no-programs'), { recursive: true, mode: 0o700 })
  const limits = `ulimit -d ${dataKib} && ulimit -t ${cpuSeconds} && ulimit -f ${fileBlocks} && ulimit -c 0 && exec "$@"`
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
  const timer = setTimeout(end, deadlineMs, 'late')
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
      child.once('close', (code) => resolve(code ?? 128))
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
