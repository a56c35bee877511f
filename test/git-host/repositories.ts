import { createHash } from 'node:crypto'
import { mkdir } from 'node:fs/promises'
import { join } from 'node:path'
import { git } from './git.ts'
import { makeLargeFiles } from './large-files.ts'

/** One bare repository and what the host knows about it. */
export interface Repository {
  id: number
  fullName: string
  folder: string
  cloneUrl: string
  htmlUrl: string
  defaultBranch: string
  token?: string | undefined
  webhook?: { id: number; url: string; secret: string } | undefined
  /** Pull requests by number, as the REST API shows them. */
  pulls: Map<number, { number: number; state: 'open' | 'closed' }>
  /** What is in its large file storage. */
  largeFiles: ReturnType<typeof makeLargeFiles>
  /** The end of the last push: pushes to one repository go one after the other. */
  lastPush: Promise<unknown>
}

/** The owner as GitHub shows people and organizations. */
export function ownerOf({ fullName }: Repository) {
  const login = fullName.split('/')[0] as string
  return { login, id: numberOf(login), type: 'User' }
}

/** The repository as payloads show it. */
export function showRepository(repository: Repository) {
  const { id, fullName, token, defaultBranch, cloneUrl, htmlUrl } = repository
  const owner = ownerOf(repository)
  return {
    id,
    name: fullName.split('/')[1],
    full_name: fullName,
    private: token !== undefined,
    fork: false,
    default_branch: defaultBranch,
    clone_url: cloneUrl,
    html_url: htmlUrl,
    owner: { name: owner.login, ...owner },
  }
}

/** A number that is always the same for the same name. */
export const numberOf = (name: string): number => createHash('sha256').update(name).digest().readUInt32BE(0)

const settings = {
  'http.receivepack': 'true',
  'uploadpack.allowAnySHA1InWant': 'true',
  'uploadpack.allowReachableSHA1InWant': 'true',
  'receive.autogc': 'false',
}

/** Makes a bare repository that is pushed to over HTTP; one that is there already keeps its commits. */
export async function makeRepository(
  root: { folder: string; url: string },
  fullName: string,
  { token, defaultBranch = 'main' }: { token?: string | undefined; defaultBranch?: string | undefined } = {},
): Promise<Repository> {
  if (!/^\w[\w.-]*\/\w[\w.-]*$/.test(fullName)) throw new Error(`a repository is called owner/name, not ${fullName}`)
  const folder = join(root.folder, `${fullName}.git`)
  await mkdir(folder, { recursive: true })
  await git(folder, ['init', '--bare', '--quiet', '.'])
  await git(folder, ['symbolic-ref', 'HEAD', `refs/heads/${defaultBranch}`])
  for (const [name, value] of Object.entries(settings)) await git(folder, ['config', name, value])
  const htmlUrl = `${root.url}/${fullName}`
  const id = numberOf(fullName)
  return {
    id,
    fullName,
    folder,
    cloneUrl: `${htmlUrl}.git`,
    htmlUrl,
    defaultBranch,
    token,
    pulls: new Map(),
    largeFiles: makeLargeFiles(),
    lastPush: Promise.resolve(),
  }
}

/** Whether an Authorization header opens the repository: Basic with the token as password, Bearer, or `token`. */
export function mayEnter(repository: Repository, authorization = ''): boolean {
  if (repository.token === undefined) return true
  const [scheme = '', value = ''] = authorization.split(/ +/, 2)
  if (/^(bearer|token)$/i.test(scheme)) return value === repository.token
  if (!/^basic$/i.test(scheme)) return false
  const pair = Buffer.from(value, 'base64').toString()
  return pair.includes(':') && pair.slice(pair.indexOf(':') + 1) === repository.token
}
