import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs'
import { homedir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { canInstall, installPackages } from './apt.ts'
import { withLock } from './lock.ts'
import type { LocalOptions } from './part.ts'
import { runProgram, startDaemon } from './process.ts'

/** The Debian packages the build needs; Debian's own Go among them, as a newer one does not build this tree. */
export const buildPackages = ['golang-go', 'jq', 'rsync', 'make', 'dpkg-dev']

const programs = ['kube-apiserver', 'kube-controller-manager', 'kube-scheduler', 'kubelet']
const sourceList = '/etc/apt/sources.list.d/taxiway-src.list'
const measured = 'about 4 minutes on 2 cores that are otherwise idle, 10 on slow ones, once per machine'

function cacheFolder(): string {
  return join(process.env.XDG_CACHE_HOME || join(homedir(), '.cache'), 'taxiway', 'kubernetes-1.20.2')
}

const hasAll = (folder: string) => programs.every((name) => existsSync(join(folder, name)))

/** The folder with the four programs, if an earlier build left them in the cache. */
export function cachedPrograms(): string | undefined {
  const folder = join(cacheFolder(), 'bin')
  return hasAll(folder) ? folder : undefined
}

/** Can this machine build them? The source package is Debian 12's. */
export function canBuild(): boolean {
  return canInstall() && /^VERSION_CODENAME=bookworm$/m.test(readFileSync('/etc/os-release', 'utf8'))
}

/** The archive this machine installs Debian 12 from, and the keys it trusts for it. */
async function archive(): Promise<{ uri: string; keys: string }> {
  const query = [
    'indextargets',
    '--format',
    '$(REPO_URI) $(SIGNED_BY)',
    'Created-By: Packages',
    'Codename: bookworm',
    'Component: main',
  ]
  const line = (await runProgram('apt-get', query).catch(() => ''))
    .split('\n')
    .find((text) => /\/debian\/? /.test(`${text} `))
  const [uri, keys] = line?.split(' ') ?? []
  return {
    uri: uri || 'http://deb.debian.org/debian',
    keys: keys?.startsWith('/') ? keys : '/usr/share/keyrings/debian-archive-keyring.gpg',
  }
}

/** Downloads the source package; apt checks it against the signed index. The sources file goes when it is here. */
async function download(folder: string, say: LocalOptions['say']): Promise<void> {
  const { uri, keys } = await archive()
  const onlyOurs = [
    '-o',
    `Dir::Etc::sourcelist=${sourceList}`,
    '-o',
    'Dir::Etc::sourceparts=-',
    '-o',
    'APT::Get::List-Cleanup=0',
  ]
  const retry = ['-o', 'Acquire::Retries=3']
  writeFileSync(sourceList, `deb-src [signed-by=${keys}] ${uri} bookworm main\n`)
  try {
    say(`downloading the source of kubernetes from ${uri} (35 MB)`)
    await runProgram('apt-get', [...onlyOurs, ...retry, 'update'], { seconds: 300 })
    await runProgram('apt-get', [...onlyOurs, ...retry, 'source', '--download-only', 'kubernetes'], {
      seconds: 600,
      cwd: folder,
    })
  } finally {
    rmSync(sourceList, { force: true })
  }
}

/** Unpacks it with Debian's patches, and makes the Go workspace debian/rules makes. */
async function unpack(folder: string): Promise<string> {
  const description = readdirSync(folder).find((name) => name.endsWith('.dsc'))
  if (!description) throw new Error('The source package of kubernetes has no .dsc file.')
  await runProgram('dpkg-source', ['--no-check', '-x', description, 'tree'], { seconds: 300, cwd: folder })
  const tree = join(folder, 'tree')
  mkdirSync(join(tree, '.go/src/k8s.io'), { recursive: true })
  symlinkSync('../../..', join(tree, '.go/src/k8s.io/kubernetes'))
  return tree
}

/** Runs make at low priority and says once in a while how far it is. Resolves to the folder with the programs. */
async function compile(tree: string, logs: string, say: LocalOptions['say']): Promise<string> {
  const env = {
    GOPATH: join(tree, '.go'),
    GOCACHE: join(tree, '.gocache'),
    CGO_ENABLED: '0',
    GOTOOLCHAIN: 'local',
    GOROOT: undefined,
    GOFLAGS: undefined,
    PATH: '/usr/lib/go/bin:/usr/sbin:/usr/bin:/sbin:/bin',
  }
  const args = ['make', '-C', tree, `WHAT=${programs.map((name) => `cmd/${name}`).join(' ')}`]
  const make = await startDaemon({ name: 'kubernetes-build', command: 'nice', args, folder: logs, env })
  const started = Date.now()
  for (let told = started; make.alive(); await sleep(200)) {
    const minutes = (Date.now() - started) / 60_000
    if (minutes > 60) await make.stop()
    if (Date.now() - told < 30_000) continue
    told = Date.now()
    say(`building Kubernetes: ${minutes.toFixed(1)} minutes so far (${measured})`)
  }
  const output = join(tree, '_output/local/bin/linux')
  const bin = (existsSync(output) ? readdirSync(output) : []).map((name) => join(output, name)).find(hasAll)
  if (!bin) throw new Error(`Kubernetes could not be built:\n${make.lastLines()}`)
  return bin
}

/**
 * The folder with the four programs; builds them from Debian's source package when the cache has none.
 * Everything happens in a temporary folder and one rename ends it, so a half-done build is never taken for done.
 */
export async function ensurePrograms(o: LocalOptions): Promise<string> {
  const task = async () => {
    const cached = cachedPrograms()
    if (cached) return cached
    if (!canBuild())
      throw new Error(
        'No Kubernetes: set KUBECONFIG, or install kind, or run as root on Debian 12, where it can be built.',
      )
    await installPackages(buildPackages, o.say)
    const cache = cacheFolder()
    mkdirSync(cache, { recursive: true })
    for (const name of readdirSync(cache))
      if (name.startsWith('build-')) rmSync(join(cache, name), { recursive: true, force: true })
    const temporary = mkdtempSync(join(cache, 'build-'))
    try {
      await download(temporary, o.say)
      const tree = await unpack(temporary)
      o.say(`building Kubernetes 1.20.2 from Debian's source (${measured})`)
      const built = await compile(tree, o.folder, o.say)
      const done = join(temporary, 'done')
      mkdirSync(done)
      for (const name of programs) renameSync(join(built, name), join(done, name))
      rmSync(join(cache, 'bin'), { recursive: true, force: true })
      renameSync(done, join(cache, 'bin'))
      return join(cache, 'bin')
    } finally {
      rmSync(temporary, { recursive: true, force: true })
    }
  }
  return (
    cachedPrograms() ?? withLock('kubernetes-build', () => o.say('another process builds Kubernetes: waiting'), task)
  )
}
