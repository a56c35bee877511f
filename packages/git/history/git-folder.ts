import { mkdir, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import type { Sha } from '@taxiway/domain/ids.ts'
import type { FetchOrder } from '../fetch-order.ts'
import { type GitCall, git } from '../git.ts'
import { packedRefs, type Tag } from './tags.ts'
import type { Window } from './window.ts'

/** Whatever the machine has, the same bytes come: one thread, nothing taken over as another has packed it, no choice of another version. */
const same = ['-c', 'pack.threads=1', '-c', 'index.threads=1', '-c', 'pack.writeReverseIndex=false']
const packing = ['--revs', '--quiet', '--no-reuse-object', '--no-use-bitmap-index', '--delta-base-offset']

/** Writes a repository that stands alone: what is seen of the history, its tags, and an index of the commit, which is its HEAD. */
export async function writeGitFolder(
  of: { mirror: string; folder: string; sha: Sha; window: Window; tags: readonly Tag[]; replaced: readonly string[] },
  { signal, limits }: Pick<FetchOrder, 'signal' | 'limits'>,
): Promise<void> {
  const { mirror, folder, sha, window, tags, replaced } = of
  const call = { folder: mirror, signal, deadlineMs: limits.deadlineMs }
  try {
    await mkdir(join(folder, 'objects/pack'), { recursive: true, mode: 0o700 })
    await mkdir(join(folder, 'refs'))
    const files = {
      HEAD: `${sha}\n`,
      config: settingsFor(sha),
      ...(window.shallow.length > 0 ? { shallow: window.shallow.map((commit) => `${commit}\n`).join('') } : {}),
      ...(tags.length > 0 ? { 'packed-refs': packedRefs(tags) } : {}),
    }
    for (const [name, text] of Object.entries(files)) await writeFile(join(folder, name), text)
    const input = [
      ...window.shallow.map((commit) => `--shallow ${commit}`),
      sha,
      ...tags.flatMap(({ id, commit }) => (commit === undefined ? [] : [id])),
    ]
    const pack = join(folder, 'objects/pack/pack')
    await run(['pack-objects', ...packing, pack], { ...call, input: `${input.join('\n')}\n` })
    await run(['read-tree', '--end-of-options', sha], { ...call, folder })
    if (replaced.length > 0)
      await run(['update-index', '--assume-unchanged', '-z', '--stdin'], {
        ...call,
        folder,
        input: replaced.map((path) => `${path}\0`).join(''),
      })
  } catch (error) {
    await rm(folder, { recursive: true, force: true })
    throw error
  }
}

/** What a repository is by itself (git-scm.com/docs/repository-version). */
const settingsFor = (sha: Sha): string =>
  sha.length === 64
    ? '[core]\n\trepositoryformatversion = 1\n\tfilemode = true\n\tbare = false\n[extensions]\n\tobjectformat = sha256\n'
    : '[core]\n\trepositoryformatversion = 0\n\tfilemode = true\n\tbare = false\n'

async function run(args: string[], call: GitCall): Promise<void> {
  const { exitCode, stderr } = await git([...same, ...args], call)
  if (exitCode !== 0) throw new Error(`${args[0]} failed: ${stderr.slice(0, 2000)}`)
}
