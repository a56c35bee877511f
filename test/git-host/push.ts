import { existsSync } from 'node:fs'
import { mkdir, rm, writeFile } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { git } from './git.ts'

const identity = {
  GIT_AUTHOR_NAME: 'Taxiway Sample',
  GIT_AUTHOR_EMAIL: 'sample@example.com',
  GIT_COMMITTER_NAME: 'Taxiway Sample',
  GIT_COMMITTER_EMAIL: 'sample@example.com',
}

export interface PushOptions {
  /** Where to push, a URL or a folder. */
  url: string
  token?: string
  message: string
  branch?: string
  /** Written before the commit: path -> text; null removes the file. */
  files?: Record<string, string | null>
}

/** Commits all there is in a folder, a repository or not yet one, and pushes it. @returns the commit @throws git's words */
export async function commitAndPush(
  tree: string,
  { url, token, message, branch = 'main', files = {} }: PushOptions,
): Promise<string> {
  for (const [path, text] of Object.entries(files)) await putFile(join(tree, path), text)
  if (!existsSync(join(tree, '.git'))) await git(tree, ['init', '--quiet', `--initial-branch=${branch}`])
  await git(tree, ['add', '--all'])
  await git(tree, ['commit', '--quiet', '--allow-empty', `--message=${message}`], { env: identity })
  const sha = (await git(tree, ['rev-parse', 'HEAD'])).trim()
  const basic = token === undefined ? '' : Buffer.from(`x-access-token:${token}`).toString('base64')
  const header = {
    GIT_CONFIG_COUNT: '1',
    GIT_CONFIG_KEY_0: 'http.extraHeader',
    GIT_CONFIG_VALUE_0: `Authorization: Basic ${basic}`,
  }
  await git(tree, ['push', '--quiet', url, `HEAD:refs/heads/${branch}`], { env: basic ? header : {} })
  return sha
}

async function putFile(path: string, text: string | null): Promise<void> {
  if (text === null) return rm(path, { force: true })
  await mkdir(dirname(path), { recursive: true })
  await writeFile(path, text)
}
