import { spawn } from 'node:child_process'

export const zeroSha = '0'.repeat(40)

/** The environment git runs in: nothing of the machine's or the user's own settings, no prompts, no proxies. */
export const cleanEnvironment = (extra: Record<string, string> = {}): Record<string, string> => ({
  PATH: process.env.PATH ?? '/usr/local/bin:/usr/bin:/bin',
  LC_ALL: 'C.UTF-8',
  GIT_CONFIG_GLOBAL: '/dev/null',
  GIT_CONFIG_NOSYSTEM: '1',
  GIT_TERMINAL_PROMPT: '0',
  ...extra,
})

interface GitOptions {
  env?: Record<string, string>
  stdin?: string
  /** Kills git after this long. */
  deadlineMs?: number
}

/** Runs git in a folder. @returns its exit code and output, whatever the code is */
export function tryGit(cwd: string, argv: string[], { env = {}, stdin = '', deadlineMs = 60_000 }: GitOptions = {}) {
  return new Promise<{ code: number; stdout: string; stderr: string }>((resolve, reject) => {
    const child = spawn('git', argv, { cwd, env: cleanEnvironment(env), timeout: deadlineMs, killSignal: 'SIGKILL' })
    const out: Buffer[] = []
    const err: Buffer[] = []
    child.stdout.on('data', (chunk: Buffer) => out.push(chunk))
    child.stderr.on('data', (chunk: Buffer) => err.push(chunk))
    child.stdin.on('error', () => undefined).end(stdin)
    child.once('error', reject)
    child.once('close', (code) =>
      resolve({ code: code ?? -1, stdout: Buffer.concat(out).toString(), stderr: Buffer.concat(err).toString() }),
    )
  })
}

/** Runs git in a folder. @returns what it printed @throws with its words when it fails */
export async function git(cwd: string, argv: string[], options: GitOptions = {}): Promise<string> {
  const { code, stdout, stderr } = await tryGit(cwd, argv, options)
  if (code !== 0) throw new Error(`git ${argv[0]} ended with ${code}: ${stderr.trim()}`)
  return stdout
}

/** All references of a repository and the objects they name. */
export async function readRefs(folder: string): Promise<Map<string, string>> {
  const lines = (await git(folder, ['for-each-ref', '--format=%(objectname) %(refname)'])).split('\n').filter(Boolean)
  return new Map(lines.map((line) => [line.slice(line.indexOf(' ') + 1), line.slice(0, line.indexOf(' '))]))
}

/** The full name of the commit a name stands for, or undefined when the repository has none. */
export async function findCommit(folder: string, name: string): Promise<string | undefined> {
  const { code, stdout } = await tryGit(folder, [
    'rev-parse',
    '--verify',
    '--quiet',
    '--end-of-options',
    `${name}^{commit}`,
  ])
  return code === 0 ? stdout.trim() : undefined
}
