import { existsSync, mkdirSync, readdirSync, readFileSync, rmdirSync, statSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'

const top = '/sys/fs/cgroup'
const isUnified = () => existsSync(join(top, 'cgroup.controllers'))

/** The folders in which a control group has to be: one, or one per controller with the first version of control groups. */
function roots(): string[] {
  if (isUnified()) return [top]
  return readdirSync(top)
    .map((name) => join(top, name))
    .filter((folder) => statSync(folder).isDirectory() && existsSync(join(folder, 'cgroup.procs')))
}

const read = (...path: string[]) => readFileSync(join(...path), 'utf8').trim()

/**
 * Makes a control group for a kubelet's pods. Kubelets with the same one take each other's pods for orphans and
 * end them.
 */
export function makeCgroup(name: string): void {
  if (isUnified()) {
    const controllers = read(top, 'cgroup.controllers').split(' ').filter(Boolean)
    writeFileSync(join(top, 'cgroup.subtree_control'), controllers.map((one) => `+${one}`).join(' '))
  }
  for (const root of roots()) {
    const folder = join(root, name)
    mkdirSync(folder, { recursive: true })
    // Where nothing is inherited, a group without processors and memory can hold no process.
    for (const file of ['cpuset.cpus', 'cpuset.mems'])
      if (!isUnified() && existsSync(join(folder, file)) && read(folder, file) === '')
        writeFileSync(join(folder, file), read(root, file))
  }
}

/** The control group's folders and those below, the deepest first. */
function folders(name: string): string[] {
  const below = (folder: string): string[] => [
    ...readdirSync(folder, { withFileTypes: true }).flatMap((entry) =>
      entry.isDirectory() ? below(join(folder, entry.name)) : [],
    ),
    folder,
  ]
  return roots().flatMap((root) => (existsSync(join(root, name)) ? below(join(root, name)) : []))
}

/** The ids of the processes in the control group and below. */
export function processesIn(name: string): number[] {
  const ids = folders(name).flatMap((folder) => {
    try {
      return read(folder, 'cgroup.procs').split('\n').map(Number)
    } catch {
      return []
    }
  })
  return [...new Set(ids.filter((id) => id > 0))]
}

/** Removes the control group, in which no process may be left. */
export function removeCgroup(name: string): void {
  for (const folder of folders(name)) {
    try {
      rmdirSync(folder)
    } catch {
      // The kernel lets go of a group a moment after its last process; it is empty and costs nothing until then.
    }
  }
}
