import type { RefChange } from './backend.ts'
import { findCommit, git, readRefs, tryGit, zeroSha } from './git.ts'
import { ownerOf, type Repository, showRepository } from './repositories.ts'

/** docs.github.com/webhooks/webhook-events-and-payloads#push: at most so many commits in one payload. */
const maxCommits = 2048

/** The body of GitHub's `push` event for one changed reference. */
export async function pushEvent(repository: Repository, { ref, before, after }: RefChange) {
  const { folder, htmlUrl } = repository
  const commits = after ? await newCommits(repository, ref, before, after) : []
  const head = after && (await findCommit(folder, after))
  const sender = ownerOf(repository)
  const range =
    before && after ? `${before.slice(0, 12)}...${after.slice(0, 12)}` : (after ?? before ?? '').slice(0, 12)
  return {
    ref,
    before: before ?? zeroSha,
    after: after ?? zeroSha,
    created: before === undefined,
    deleted: after === undefined,
    forced: before !== undefined && after !== undefined && !(await isAncestor(folder, before, after)),
    base_ref: before === undefined && after ? await otherBranch(folder, ref, after) : null,
    compare: `${htmlUrl}/compare/${range}`,
    commits,
    head_commit: head ? (await readCommits(repository, ['--no-walk', head]))[0] : null,
    repository: showRepository(repository),
    pusher: { name: sender.login, email: null },
    sender,
  }
}

const isAncestor = async (folder: string, before: string, after: string): Promise<boolean> =>
  (await tryGit(folder, ['merge-base', '--is-ancestor', before, after])).code === 0

async function otherBranch(folder: string, ref: string, sha: string): Promise<string | null> {
  for (const [name, value] of await readRefs(folder))
    if (name !== ref && value === sha && name.startsWith('refs/heads/')) return name
  return null
}

/** Oldest first: what the push added to the branch, or for a new one what no other reference holds. */
async function newCommits(repository: Repository, ref: string, before: string | undefined, after: string) {
  if (!(await findCommit(repository.folder, after))) return []
  const known = before ? [before] : [`--exclude=${ref}`, '--glob=refs/*']
  return readCommits(repository, [`--max-count=${maxCommits}`, '--reverse', after, '--not', ...known])
}

async function readCommits({ folder, htmlUrl }: Repository, selection: string[]) {
  const fields = ['%H', '%T', '%cI', '%an', '%ae', '%cn', '%ce', '%B'].join('%x00')
  const parts = (await git(folder, ['log', '-z', `--format=${fields}`, ...selection, '--'])).split('\0')
  const commits = []
  for (let at = 0; at + 8 <= parts.length; at += 8) {
    const [id, tree, timestamp, name, email, by, byEmail, message] = parts.slice(at, at + 8) as [
      string,
      string,
      string,
      string,
      string,
      string,
      string,
      string,
    ]
    const author = { name, email, username: email.split('@')[0] }
    const committer = { name: by, email: byEmail, username: byEmail.split('@')[0] }
    const url = `${htmlUrl}/commit/${id}`
    const files = { added: [] as string[], removed: [] as string[], modified: [] as string[] }
    commits.push({
      id,
      tree_id: tree,
      distinct: true,
      message: message.trimEnd(),
      timestamp,
      url,
      author,
      committer,
      ...files,
    })
  }
  await addFiles(folder, new Map(commits.map((commit) => [commit.id, commit])))
  return commits
}

async function addFiles(
  folder: string,
  commits: Map<string, { added: string[]; removed: string[]; modified: string[] }>,
): Promise<void> {
  const argv = ['diff-tree', '--stdin', '-r', '--root', '--no-renames', '--name-status', '-z']
  const parts = (await git(folder, argv, { stdin: [...commits.keys(), ''].join('\n') })).split('\0')
  let commit: { added: string[]; removed: string[]; modified: string[] } | undefined
  for (let at = 0; at < parts.length - 1; at++) {
    const part = parts[at] as string
    if (commits.has(part)) commit = commits.get(part)
    else commit?.[part === 'A' ? 'added' : part === 'D' ? 'removed' : 'modified'].push(parts[++at] as string)
  }
}
