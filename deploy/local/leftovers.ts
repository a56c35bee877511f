import { existsSync, readdirSync, readFileSync, rmSync } from 'node:fs'
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

const bridgeOfNetwork = /^(br-[0-9a-f]{12}|txw[ino]-[0-9a-f]{10})$/
const bridgeOfTest = /^txw[ino]-[0-9a-f]{10}$/

/**
 * Removes bridges of networks that nobody's engine runs any more, and the firewall's rules for bridges that are gone: a new engine gives their addresses out
 * again, and what is sent there would be lost. An engine that starts again makes its own anew.
 */
async function removeNetworks(names: RegExp): Promise<void> {
  const ip = findProgram('ip')
  if (!ip) return
  const idle = readdirSync('/sys/class/net').filter(
    (name) => names.test(name) && readFileSync(`/sys/class/net/${name}/operstate`, 'utf8').trim() === 'down',
  )
  for (const name of idle) await runProgram(ip, ['link', 'delete', name]).catch(() => undefined)
  await forgetBridges().catch(() => undefined)
}

async function forgetBridges(): Promise<void> {
  const isGone = (word: string) => bridgeOfNetwork.test(word) && !existsSync(`/sys/class/net/${word}`)
  for (const table of ['nat', 'filter'])
    for (const rule of (await runProgram('iptables', ['-w', '5', '-t', table, '-S'])).split('\n')) {
      const [verb, ...words] = rule.split(' ')
      if (verb === '-A' && words.some(isGone)) await runProgram('iptables', ['-w', '5', '-t', table, '-D', ...words])
    }
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
  if (lines.some((line) => /^(\S*\/)?dockerd /.test(line))) return
  // Networks of tests are ours by their name; others may wait for an engine that somebody only stopped.
  await removeNetworks(dead.length > 0 ? bridgeOfNetwork : bridgeOfTest)
}
