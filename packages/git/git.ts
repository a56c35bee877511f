import { execa } from 'execa'
import { environmentOf, type Remote } from './environment.ts'

export interface GitCall {
  /** The bare repository. Git looks nowhere else, not even if this is none. */
  folder: string
  signal?: AbortSignal
  deadlineMs: number
  /** Standard input. */
  input?: string | Buffer
  /** Without it, git reaches nothing. */
  remote?: Remote
  /** Extra environment, like GIT_INDEX_FILE. */
  environment?: Record<string, string>
  /** Most bytes of output; git is ended beyond them. */
  maxBytes?: number
}
export interface GitResult {
  /** 128 if git was ended by a signal. */
  exitCode: number
  stdout: Buffer
  /** Without token, and without credentials in URLs. */
  stderr: string
  timedOut: boolean
  /** There was more output than `maxBytes`. */
  tooLong: boolean
}
const killAfterMs = 2000

/**
 * Runs git with a configuration that comes from here alone: nothing of the machine's is read, nothing is asked, and the token
 * is in no argument and no file. Beyond the deadline or when the signal fires, git and all it started are ended.
 * @throws the signal's reason, or if there is no git
 */
export async function git(args: string[], call: GitCall): Promise<GitResult> {
  call.signal?.throwIfAborted()
  const running = execa('git', args, {
    cwd: call.folder,
    env: environmentOf(call),
    extendEnv: false,
    // A group of its own: git's helpers (remote-https, index-pack) must end with it.
    detached: true,
    encoding: 'buffer',
    reject: false,
    stripFinalNewline: false,
    maxBuffer: call.maxBytes ?? 64 * 2 ** 20,
    ...(call.input === undefined ? { stdin: 'ignore' as const } : { input: call.input }),
  })
  const watch = endInTime(running.pid, call)
  const result = await running.finally(watch.stop)
  call.signal?.throwIfAborted()
  if (result.code === 'ENOENT') throw new Error('git could not be started: is it installed?', { cause: result })
  return {
    exitCode: result.exitCode ?? 128,
    stdout: Buffer.from(result.stdout ?? ''),
    stderr: redact(Buffer.from(result.stderr ?? '').toString(), call.remote?.token),
    timedOut: watch.timedOut(),
    tooLong: result.isMaxBuffer,
  }
}

/**
 * Is it so in the mirror? Asks nobody else, which takes moments.
 * @throws if there is no answer within half a minute: the machine has no time, and nothing is known
 */
export async function isSo(args: string[], call: Omit<GitCall, 'deadlineMs'>, deadlineMs = 30_000): Promise<boolean> {
  const { exitCode, timedOut } = await git(args, { ...call, deadlineMs })
  if (timedOut) throw new Error(`git ${args.join(' ')} had no answer within ${deadlineMs / 1000} s`)
  return exitCode === 0
}

/** Ends the process group at the deadline or by the signal: asked first, so that git removes its locks, then by force. */
function endInTime(pid: number | undefined, { signal, deadlineMs }: GitCall) {
  let late = false
  let force: NodeJS.Timeout | undefined
  const send = (name: 'SIGTERM' | 'SIGKILL') => {
    try {
      if (pid !== undefined) process.kill(-pid, name)
    } catch {
      // It has ended by itself.
    }
  }
  const end = () => {
    send('SIGTERM')
    force ??= setTimeout(() => send('SIGKILL'), killAfterMs)
  }
  const timer = setTimeout(() => {
    late = true
    end()
  }, deadlineMs)
  signal?.addEventListener('abort', end, { once: true })
  return {
    timedOut: () => late,
    stop() {
      clearTimeout(timer)
      clearTimeout(force)
      signal?.removeEventListener('abort', end)
    },
  }
}

/** Hides the token, whatever follows `Authorization:`, and user information in URLs. */
function redact(text: string, token: string | undefined): string {
  const secrets = token
    ? [token, Buffer.from(`x-access-token:${token}`).toString('base64'), encodeURIComponent(token)]
    : []
  return secrets
    .reduce((shown, secret) => shown.replaceAll(secret, '***'), text)
    .replace(/(authorization:\s*)[^\r\n'"]+/gi, '$1***')
    .replace(/(\/\/)[^/\s@'"]+@/g, '$1***@')
}
