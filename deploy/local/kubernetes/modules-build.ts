import { copyFileSync, existsSync, mkdirSync } from 'node:fs'
import { delimiter, join } from 'node:path'
import { runProgram, startDaemon } from '../process.ts'
import { type Build, tellProgress } from './build.ts'

const version = '1.34.4'
const oldestGo = 24

/** The first Go on this machine that is new enough. Debian 12's own is not, so one that comes later in PATH may be. */
async function findGo(): Promise<string | undefined> {
  const folders = [...(process.env.PATH ?? '').split(delimiter), '/usr/local/go/bin', '/usr/lib/go/bin']
  for (const path of folders.map((folder) => join(folder, 'go')).filter((path) => existsSync(path))) {
    const said = await runProgram(path, ['version']).catch(() => '')
    if (Number(/go version go1\.(\d+)/.exec(said)?.[1] ?? 0) >= oldestGo) return path
  }
  return undefined
}

/** Kubernetes from its Go modules, which the go.mod beside this file names and the go.sum seals. */
export const modulesBuild: Build = {
  version,
  programs: ['kube-apiserver', 'kube-controller-manager', 'kube-scheduler', 'kubelet'],
  needs: `1.34 with Go 1.${oldestGo} or newer`,
  packages: [],
  takes: 'about 5 minutes on 2 cores that are otherwise idle, 10 on busy ones, once per machine',
  isPossible: async () => process.platform === 'linux' && (await findGo()) !== undefined,
  async run(folder, o) {
    const go = await findGo()
    if (!go) throw new Error(`No Go 1.${oldestGo} or newer is on this machine.`)
    for (const name of ['go.mod', 'go.sum']) copyFileSync(join(import.meta.dirname, 'go', name), join(folder, name))
    const output = join(folder, 'bin')
    mkdirSync(output)
    const stamps = [
      `k8s.io/component-base/version.gitVersion=v${version}`,
      'k8s.io/component-base/version.gitMajor=1',
      'k8s.io/component-base/version.gitMinor=34',
      `k8s.io/client-go/pkg/version.gitVersion=v${version}`,
    ]
    const flags = ['-ldflags', `-s -w ${stamps.map((stamp) => `-X ${stamp}`).join(' ')}`, '-o', output]
    const args = [go, '-C', folder, 'build', ...flags, ...this.programs.map((name) => `k8s.io/kubernetes/cmd/${name}`)]
    const env = {
      CGO_ENABLED: '0',
      GOTOOLCHAIN: 'local',
      GOFLAGS: '',
      GOWORK: 'off',
      GOOS: undefined,
      GOARCH: undefined,
    }
    o.say(`building Kubernetes ${version} from its Go modules (${this.takes})`)
    const daemon = await startDaemon({ name: 'kubernetes-build', command: 'nice', args, folder: o.folder, env })
    await tellProgress(daemon, this, o.say)
    if (!this.programs.every((name) => existsSync(join(output, name))))
      throw new Error(`Kubernetes ${version} could not be built:\n${daemon.lastLines()}`)
    return output
  },
}
