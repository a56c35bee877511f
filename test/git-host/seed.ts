import { cp, mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { basename, join } from 'node:path'
import { findCommit } from './git.ts'
import { commitAndPush } from './push.ts'
import type { Repository } from './repositories.ts'

/**
 * Gives a repository without commits its first one, past the webhook. `files` is path -> text, or a folder.
 * @returns the commit of the default branch
 */
export async function seed(repository: Repository, files: Record<string, string> | string): Promise<string> {
  const there = await findCommit(repository.folder, 'HEAD')
  if (there) return there
  const tree = await mkdtemp(join(tmpdir(), 'git-host-seed-'))
  try {
    if (typeof files === 'string')
      await cp(files, tree, { recursive: true, filter: (from) => basename(from) !== '.git' })
    return await commitAndPush(tree, {
      url: repository.folder,
      message: 'Initial commit',
      branch: repository.defaultBranch,
      files: typeof files === 'string' ? {} : files,
    })
  } finally {
    await rm(tree, { recursive: true, force: true })
  }
}
