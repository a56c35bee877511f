import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { canInstall, installPackages } from '../apt.ts'
import type { LocalOptions } from '../part.ts'
import { runProgram, startDaemon } from '../process.ts'
import { type Build, tellProgress } from './build.ts'

const programs = ['kube-apiserver', 'kube-controller-manager', 'kube-scheduler', 'kubelet']
const sourceList = '/etc/apt/sources.list.d/taxiway-src.list'
const hasAll = (folder: string) => programs.every((name) => existsSync(join(folder, name)))

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

/** Runs make at low priority. Resolves to the folder with the programs. */
async function compile(tree: string, o: LocalOptions): Promise<string> {
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
  const make = await startDaemon({ name: 'kubernetes-build', command: 'nice', args, folder: o.folder, env })
  await tellProgress(make, debianBuild, o.say)
  const output = join(tree, '_output/local/bin/linux')
  const bin = (existsSync(output) ? readdirSync(output) : []).map((name) => join(output, name)).find(hasAll)
  if (!bin) throw new Error(`Kubernetes could not be built:\n${make.lastLines()}`)
  return bin
}

/** Kubernetes from Debian 12's source package. */
export const debianBuild: Build = {
  version: '1.20.2',
  programs,
  needs: '1.20 as root on Debian 12',
  // Debian's own Go among them, as a newer one does not build this tree.
  packages: ['golang-go', 'jq', 'rsync', 'make', 'dpkg-dev'],
  takes: 'about 4 minutes on 2 cores that are otherwise idle, 10 on slow ones, once per machine',
  isPossible: async () => canInstall() && /^VERSION_CODENAME=bookworm$/m.test(readFileSync('/etc/os-release', 'utf8')),
  async run(folder, o) {
    await installPackages(this.packages, o.say)
    await download(folder, o.say)
    const tree = await unpack(folder)
    o.say(`building Kubernetes ${this.version} from Debian's source (${this.takes})`)
    return compile(tree, o)
  },
}
