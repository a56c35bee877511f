import { createHash } from 'node:crypto'
import { createReadStream, existsSync, mkdirSync, mkdtempSync, renameSync, rmSync } from 'node:fs'
import { homedir } from 'node:os'
import { join } from 'node:path'
import type Docker from 'dockerode'
import { installPackages } from '../../deploy/local/apt.ts'
import { withLock } from '../../deploy/local/lock.ts'
import { runProgram } from '../../deploy/local/process.ts'

/** What an image of Debian has in it, and under which names the engine gets it. */
export interface DebianImage {
  /** Local names, `repository:tag`. */
  names: string[]
  /** Packages beside the smallest Debian. */
  packages: string[]
  /** Changes the tree before it is packed; `key` names what it does, for the cache. */
  finish?: { key: string; tree(folder: string): Promise<void> }
  /** Lines of a Dockerfile, as `ENV A=b`. */
  changes?: string[]
}

const suite = 'bookworm'
const mirror = 'http://deb.debian.org/debian'
const cache = join(process.env.XDG_CACHE_HOME || join(homedir(), '.cache'), 'taxiway')
const say = (line: string) => void process.stderr.write(`  ${line}\n`)

/** What sample projects need: one tree, made once, stands for the images that people take from a registry. */
export const projectPackages = [
  'nodejs',
  'node-pg',
  'python3-flask',
  'python3-pytest',
  'gcc',
  'libc6-dev',
  'postgresql',
]

/** Does the engine have an image of that name? */
export const isInEngine = (docker: Docker, name: string): Promise<boolean> =>
  docker
    .getImage(name)
    .inspect()
    .then(
      () => true,
      () => false,
    )

/** Puts images of Debian into the engine, made by debootstrap once and kept in the cache. Names that are there already stay. */
export async function ensureDebianImage(docker: Docker, image: DebianImage): Promise<void> {
  const missing: string[] = []
  for (const name of image.names) if (!(await isInEngine(docker, name))) missing.push(name)
  if (missing.length === 0) return
  const archive = await withLock(
    'debian-image',
    () => say('waiting for another to make the base image'),
    () => makeArchive(image),
  )
  const [first = '', ...others] = missing
  const [repo, tag] = first.split(':')
  const { changes = [] } = image
  const stream = await docker.importImage(createReadStream(archive), { repo, tag, changes })
  await new Promise<void>((done, fail) =>
    docker.modem.followProgress(stream, (error) => (error ? fail(error) : done())),
  )
  for (const name of others) {
    const [repo = '', tag = ''] = name.split(':')
    await docker.getImage(first).tag({ repo, tag })
  }
}

/** The file system as a tar, from the cache or newly made. */
async function makeArchive({ packages, finish }: DebianImage): Promise<string> {
  const hash = createHash('sha256').update(JSON.stringify([suite, packages, finish?.key, process.arch]))
  const archive = join(cache, `debian-${hash.digest('hex').slice(0, 12)}.tar`)
  if (existsSync(archive)) return archive
  mkdirSync(cache, { recursive: true })
  await installPackages(['debootstrap'], say)
  const tree = mkdtempSync(join(cache, 'debian-'))
  try {
    say(`making a base image from Debian packages (once, some minutes): ${packages.join(' ')}`)
    const options = ['--variant=minbase', `--include=${packages.join(',')}`, suite, tree, mirror]
    await runProgram('debootstrap', options, { seconds: 1200 })
    await finish?.tree(tree)
    for (const folder of ['var/cache/apt/archives', 'var/lib/apt/lists'])
      rmSync(join(tree, folder), { recursive: true, force: true })
    await runProgram('tar', ['-C', tree, '-cf', `${archive}.part`, '.'], { seconds: 300 })
    renameSync(`${archive}.part`, archive)
  } finally {
    rmSync(tree, { recursive: true, force: true })
  }
  return archive
}
