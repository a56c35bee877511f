import { readdirSync, readFileSync, rmSync } from 'node:fs'
import { basename, dirname, join } from 'node:path'
import { findProgram, runProgram } from './process.ts'

/** Unmounts everything at and below the folder, the newest mount first, so that the folder can be removed. */
export async function unmountBelow(folder: string): Promise<void> {
  const mounts = readFileSync('/proc/mounts', 'utf8')
    .split('\n')
    .map((line) => (line.split(' ')[1] ?? '').replace(/\\040/g, ' '))
  for (const path of mounts.filter((mount) => `${mount}/`.startsWith(`${folder}/`)).reverse())
    await runProgram('umount', ['-l', path]).catch(() => undefined)
}

/** The command lines of all processes on this machine. */
function commandLines(): string[] {
  return readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name))
    .map((pid) => {
      try {
        return readFileSync(`/proc/${pid}/cmdline`, 'utf8').replaceAll('\0', ' ')
      } catch {
        return ''
      }
    })
}

/** Bridges of networks that nobody's engine runs any more; an engine that starts again makes its own anew. */
async function removeBridges(): Promise<void> {
  const ip = findProgram('ip')
  if (!ip) return
  const idle = readdirSync('/sys/class/net').filter((name) => {
    if (!/^br-[0-9a-f]{12}$/.test(name)) return false
    return readFileSync(`/sys/class/net/${name}/operstate`, 'utf8').trim() === 'down'
  })
  for (const name of idle) await runProgram(ip, ['link', 'delete', name]).catch(() => undefined)
}

/**
 * Removes what engines of ours that were killed left on this machine. Their containers' network namespaces outlive
 * them as mounts, still with an address on docker0: a new engine gives the same addresses out again, and connections
 * end in the dead namespace. Their networks' bridges use up the address pools.
 * @param prefix the path that all run folders of our engines begin with
 */
export async function removeDeadEngines(prefix: string): Promise<void> {
  const lines = commandLines()
  const dead = readdirSync(dirname(prefix))
    .filter((name) => name.startsWith(basename(prefix)))
    .map((name) => join(dirname(prefix), name))
    .filter((folder) => !lines.some((line) => line.includes(`${folder}/`) || line.includes(`${folder} `)))
  for (const folder of dead) {
    await unmountBelow(folder)
    rmSync(folder, { recursive: true, force: true })
  }
  if (dead.length > 0 && !lines.some((line) => /^(\S*\/)?dockerd /.test(line))) await removeBridges()
}
