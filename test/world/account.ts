import { spawnSync } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { installPackages } from '../../deploy/local/apt.ts'
import { findProgram } from '../../deploy/local/process.ts'

const main = join(import.meta.dirname, '../../services/cli/main.ts')

/** A deployer's account, made as people make it: by what `taxiway cluster rbac` prints, with kubectl. */
export interface Account {
  /** The file that the printed script made. */
  kubeconfig: string
  /** What the command printed, as it was applied. */
  rbac: string
  /** kubectl as this account. @returns exit code and what it said */
  kubectl(args: string[], input?: string): { code: number | null; said: string }
  remove(): void
}

/** Makes the account in a namespace of its own, with rights in these namespaces, which are made if need be. */
export async function makeAccount(home: string, namespaces: string[], more: string[] = []): Promise<Account> {
  if (!findProgram('kubectl')) await installPackages(['kubernetes-client'], () => {})
  const folder = mkdtempSync(join(tmpdir(), 'taxiway-account-'))
  const kubeconfig = join(folder, 'taxiway.kubeconfig')
  const run = (program: string, args: string[], input = '', environment: Record<string, string | undefined> = {}) => {
    const env = { ...process.env, HOME: folder, ...environment }
    const { status, stdout, stderr } = spawnSync(program, args, { cwd: folder, env, input, encoding: 'utf8' })
    return { code: status, said: stdout + stderr, out: stdout }
  }
  const must = (ran: ReturnType<typeof run>): string => {
    if (ran.code !== 0) throw new Error(ran.said)
    return ran.out
  }
  const print = (...args: string[]) =>
    must(run(process.execPath, [main, 'cluster', 'rbac', '--account-namespace', home, ...args]))
  const names = [home, ...namespaces].map((name) => ({ apiVersion: 'v1', kind: 'Namespace', metadata: { name } }))
  must(run('kubectl', ['apply', '-f', '-'], JSON.stringify({ apiVersion: 'v1', kind: 'List', items: names })))
  const rbac = print(...namespaces.flatMap((name) => ['--namespace', name]), ...more)
  must(run('kubectl', ['apply', '-f', '-'], rbac))
  must(run('sh', [], print('--kubeconfig')))
  readFileSync(kubeconfig)
  return {
    kubeconfig,
    rbac,
    kubectl: (args, input) => run('kubectl', args, input, { KUBECONFIG: kubeconfig }),
    remove() {
      run('kubectl', ['delete', 'namespace', '--wait=false', home])
      rmSync(folder, { recursive: true, force: true })
    },
  }
}
