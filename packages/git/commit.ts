import { parseSha, type Sha } from '@taxiway/domain/ids.ts'
import type { Mirror } from './fetch-order.ts'
import { git } from './git.ts'

const localMs = 30_000
const mostBytes = 64 * 1024

/**
 * The commit that an object of the mirror leads to, with its message: a tag with a message of its own is an object that points at
 * one. Undefined when it leads to none.
 */
export async function commitOf(
  { folder }: Mirror,
  sha: Sha,
  signal: AbortSignal,
): Promise<{ sha: Sha; message: string } | undefined> {
  const args = ['log', '--max-count=1', '--format=%H%x00%B', '--end-of-options', sha]
  const { exitCode, stdout, tooLong } = await git(args, { folder, signal, deadlineMs: localMs, maxBytes: mostBytes })
  const [name = '', message = ''] = stdout.toString().split('\0')
  const commit = exitCode === 0 || tooLong ? parseSha(name) : undefined
  return commit && { sha: commit, message }
}
