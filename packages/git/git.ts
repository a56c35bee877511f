import { execa } from 'execa'

export interface GitCall {
  folder: string
  signal?: AbortSignal
  deadlineMs: number
  /** Standard input. */
  input?: string | Buffer
  /** Origin and token; the token travels in the environment alone. */
  remote?: { origin: string; token?: string; pin?: string }
  /** Extra environment, like GIT_INDEX_FILE. */
  environment?: Record<string, string>
  maxBytes?: number
}
export interface GitResult {
  exitCode: number
  stdout: Buffer
  /** Cleared of the token. */
  stderr: string
  timedOut: boolean
}

/** Settings that make foreign content inert: no hooks, no other transports, no redirects, no helpers, checked objects. */
const settings: [string, string][] = [
  ['core.hooksPath', '/dev/null'],
  ['core.attributesFile', '/dev/null'],
  ['core.fsmonitor', 'false'],
  ['core.protectHFS', 'true'],
  ['core.protectNTFS', 'true'],
  ['credential.helper', ''],
  ['fetch.fsckObjects', 'true'],
  ['transfer.fsckObjects', 'true'],
  ['http.followRedirects', 'false'],
  ['protocol.allow', 'never'],
  ['protocol.https.allow', 'always'],
  ['submodule.recurse', 'false'],
  ['gc.auto', '0'],
  ['maintenance.auto', 'false'],
  ['safe.directory', '*'],
]

/**
 * Runs git with a configuration that comes from here alone. Nothing of the machine's configuration is read, nothing is asked,
 * and the token is in no argument and no file. @throws only when git itself is missing
 */
export async function git(args: string[], call: GitCall): Promise<GitResult> {
  const { remote } = call
  const entries = [...settings]
  if (remote?.origin.startsWith('http:')) entries.push(['protocol.http.allow', 'always'])
  if (remote?.pin) entries.push(['http.curloptResolve', remote.pin])
  const credentials = remote?.token ? Buffer.from(`x-access-token:${remote.token}`).toString('base64') : undefined
  if (remote && credentials) entries.push([`http.${remote.origin}/.extraHeader`, `Authorization: Basic ${credentials}`])
  const result = await execa('git', args, {
    cwd: call.folder,
    env: {
      PATH: process.env.PATH ?? '',
      LANG: 'C',
      HOME: '/nonexistent',
      ...fixed,
      ...call.environment,
      ...asEnvironment(entries),
    },
    extendEnv: false,
    encoding: 'buffer',
    reject: false,
    stripFinalNewline: false,
    timeout: call.deadlineMs,
    forceKillAfterDelay: 2000,
    maxBuffer: call.maxBytes ?? 64 * 2 ** 20,
    ...(call.input === undefined ? { stdin: 'ignore' as const } : { input: call.input }),
    ...(call.signal ? { cancelSignal: call.signal } : {}),
  })
  call.signal?.throwIfAborted()
  const clean = (text: string) =>
    [remote?.token, credentials].reduce<string>(
      (shown, secret) => (secret ? shown.replaceAll(secret, '***') : shown),
      text,
    )
  const stderr = clean(Buffer.from(result.stderr ?? '').toString())
  return {
    exitCode: result.exitCode ?? 128,
    stdout: Buffer.from(result.stdout ?? ''),
    stderr,
    timedOut: result.timedOut,
  }
}

const fixed = {
  GIT_CONFIG_NOSYSTEM: '1',
  GIT_CONFIG_GLOBAL: '/dev/null',
  GIT_TERMINAL_PROMPT: '0',
  GIT_ASKPASS: '/bin/false',
  GIT_NO_REPLACE_OBJECTS: '1',
  GIT_LITERAL_PATHSPECS: '1',
  GIT_ATTR_NOSYSTEM: '1',
}

const asEnvironment = (entries: [string, string][]): Record<string, string> => ({
  GIT_CONFIG_COUNT: String(entries.length),
  ...Object.fromEntries(
    entries.flatMap(([key, value], index) => [
      [`GIT_CONFIG_KEY_${index}`, key],
      [`GIT_CONFIG_VALUE_${index}`, value],
    ]),
  ),
})
