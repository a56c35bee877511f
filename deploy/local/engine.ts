import { createHash } from 'node:crypto'
import { existsSync, mkdirSync, rmSync, writeFileSync } from 'node:fs'
import { join, resolve } from 'node:path'
import { installPackages } from './apt.ts'
import { engineAnswers } from './engine-api.ts'
import { removeDeadEngines, unmountBelow } from './leftovers.ts'
import { withLock } from './lock.ts'
import { canLowerOomScore } from './oom-score.ts'
import { foundPart, type LocalOptions, type LocalPart } from './part.ts'
import { answers, type Daemon, findProgram, startDaemon, waitUntil } from './process.ts'

/** The Debian packages behind startEngine. */
export const enginePackages = ['docker.io', 'iptables', 'iproute2']

const usualSocket = '/var/run/docker.sock'
const runFolders = '/run/taxiway-engine-'

/** A container runtime that is runc, except that it asks for no negative OOM score. */
function writeRuncWrapper(folder: string): string {
  const path = join(folder, 'runc-plain-oom-score')
  const script = `#!/bin/sh
# Taxiway: this machine has no CAP_SYS_RESOURCE, so a negative OOM score becomes 0.
bundle= before=
for word in "$@"; do
  [ "$before" = --bundle ] && bundle=$word
  case $word in --bundle=*) bundle=\${word#--bundle=} ;; esac
  before=$word
done
if [ -n "$bundle" ] && [ -f "$bundle/config.json" ]; then
  sed -i 's/"oomScoreAdj":-[0-9][0-9]*/"oomScoreAdj":0/' "$bundle/config.json"
fi
exec ${findProgram('runc') ?? '/usr/sbin/runc'} "$@"
`
  writeFileSync(path, script, { mode: 0o755 })
  return path
}

/** The engine of DOCKER_HOST, or the one at the usual socket; undefined when there is none. */
export async function findEngine(): Promise<string | undefined> {
  const given = process.env.DOCKER_HOST
  if (given) {
    if (await engineAnswers(given)) return given
    throw new Error(`DOCKER_HOST is ${given}, but no engine answers there: start it, or unset DOCKER_HOST.`)
  }
  return (await engineAnswers(`unix://${usualSocket}`)) ? `unix://${usualSocket}` : undefined
}

/** The usual socket when nobody listens on it, otherwise one in a short folder of our own. */
async function chooseSocket(runFolder: string): Promise<string> {
  return existsSync(usualSocket) && (await answers({ path: usualSocket }))
    ? join(runFolder, 'docker.sock')
    : usualSocket
}

/** Starts `dockerd` with its data in the folder, and its sockets and mounts in the run folder. */
async function startDockerd(folder: string, runFolder: string, socket: string): Promise<Daemon> {
  mkdirSync(runFolder, { recursive: true })
  mkdirSync(folder, { recursive: true })
  const config = join(runFolder, 'daemon.json')
  writeFileSync(config, '{}')
  const runtime = canLowerOomScore()
    ? []
    : ['--add-runtime', `taxiway=${writeRuncWrapper(folder)}`, '--default-runtime', 'taxiway']
  const places = ['--data-root', join(folder, 'engine'), '--exec-root', runFolder, '--config-file', config]
  const pidFile = ['--pidfile', join(runFolder, 'docker.pid')]
  const args = ['--host', `unix://${socket}`, ...places, ...pidFile, '--shutdown-timeout', '5', ...runtime]
  return startDaemon({ name: 'engine', command: findProgram('dockerd') ?? 'dockerd', args, folder })
}

/** Finds a Docker engine, or starts `dockerd` with its data in the folder. */
export async function startEngine(o: LocalOptions): Promise<LocalPart> {
  const found = await findEngine()
  if (found) return foundPart('engine', found)
  const isInstalled = ['dockerd', 'iptables', 'ip'].every(findProgram)
  const installed = isInstalled ? false : await installPackages(enginePackages, o.say)
  if (process.getuid?.() !== 0)
    throw new Error('No Docker engine answers: start it (systemctl start docker), or set DOCKER_HOST.')
  const folder = resolve(o.folder)
  // Short, because the names of the sockets in it have an end at 108 characters.
  const runFolder = `${runFolders}${createHash('sha256').update(folder).digest('hex').slice(0, 8)}`
  const socket = await chooseSocket(runFolder)
  const waiting = () => o.say('waiting for another engine that is being started')
  const daemon = await withLock('engine-start', waiting, async () => {
    await removeDeadEngines(runFolders)
    return startDockerd(folder, runFolder, socket)
  })
  const address = `unix://${socket}`
  const stop = async () => {
    await daemon.stop(30)
    await unmountBelow(runFolder)
    rmSync(runFolder, { recursive: true, force: true })
  }
  await waitUntil('Docker engine', 60, () => engineAnswers(address), daemon).catch(async (error) => {
    await stop()
    throw error
  })
  return { name: 'engine', how: installed ? 'installed and started' : 'started', address, stop, died: daemon.died }
}
