import { execFileSync, spawn, spawnSync } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { once } from 'node:events'
import { closeSync, mkdirSync, openSync, readFileSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { connectEngine, type Engine, ping } from '@taxiway/docker/engine/engine.ts'

/** An engine that nothing but a test's builds use: its bridge, its cgroup, its data. */
export interface OwnEngine {
  engine: Engine
  dockerHost: string
  bridge: string
  /** Address of this machine on the bridge. */
  gateway: string
  /** BuildKit's cgroup. */
  cgroup: string
  /** Ends the daemon as the kernel does when memory runs out: at once, and with nothing put in order. */
  kill(): Promise<void>
  /** Starts it again on what it left, and waits until it answers. */
  restart(): Promise<void>
  stop(): Promise<void>
}

/** Takes out what installEgress has put there for a bridge that is gone. */
function forgetRules(bridge: string): void {
  const leads = [
    ['iptables', 'INPUT', 'TAXIWAY-INPUT'],
    ['iptables', 'DOCKER-USER', 'TAXIWAY-FORWARD'],
    ['ip6tables', 'INPUT', 'TAXIWAY-INPUT'],
    ['ip6tables', 'FORWARD', 'TAXIWAY-FORWARD'],
  ]
  for (const [program = '', from = '', to = ''] of leads)
    spawnSync(program, ['-w', '5', '-D', from, '-i', bridge, '-j', to])
}

/** What is mounted in these folders, the innermost first. */
const mountsIn = (...folders: string[]): string[] =>
  readFileSync('/proc/self/mounts', 'utf8')
    .split('\n')
    .flatMap((line) => line.split(' ')[1] ?? [])
    .filter((point) => folders.some((folder) => point.startsWith(`${folder}/`)))
    .reverse()

/** Starts a second `dockerd` beside the one of DOCKER_HOST, without its firewall rules, and gives it the base image. */
export async function startOwnEngine(folder: string, from: Engine): Promise<OwnEngine> {
  const id = `${process.pid.toString(36)}${randomBytes(1).toString('hex')}`
  const bridge = `txwt-${id}`
  const gateway = `10.214.${randomBytes(1)[0]}.1`
  const parent = `taxiway-test-${id}`
  const run = `/run/taxiway-test-${id}`
  mkdirSync(run, { recursive: true })
  mkdirSync(folder, { recursive: true })
  const ip = (...args: string[]) => execFileSync('ip', args, { stdio: 'pipe' })
  ip('link', 'add', bridge, 'type', 'bridge')
  ip('address', 'add', `${gateway}/24`, 'dev', bridge)
  ip('link', 'set', bridge, 'up')
  const dockerHost = `unix://${run}/docker.sock`
  // Straight into the file: an engine whose words nobody takes stands still.
  const log = openSync(join(folder, 'engine.log'), 'a')
  const start = () =>
    spawn(
      'dockerd',
      [
        ['--host', dockerHost, '--data-root', join(folder, 'data'), '--exec-root', run, '--pidfile', `${run}/pid`],
        ['--bridge', bridge, '--iptables=false', '--ip-masq=false', '--cgroup-parent', `/${parent}`],
        ['--shutdown-timeout', '3'],
      ].flat(),
      { stdio: ['ignore', log, log] },
    )
  let daemon = start()
  const end = async (signal: NodeJS.Signals) => {
    if (daemon.exitCode !== null || daemon.signalCode !== null) return
    const exited = once(daemon, 'exit')
    daemon.kill(signal)
    await exited
  }
  const stop = async () => {
    await end('SIGTERM')
    closeSync(log)
    ip('link', 'delete', bridge)
    forgetRules(bridge)
    // Who was killed left mounts that the next life did not know of.
    for (const left of mountsIn(folder, run)) spawnSync('umount', ['--lazy', left])
    rmSync(run, { recursive: true, force: true })
    rmSync(folder, { recursive: true, force: true })
  }
  const engine = connectEngine({ dockerHost })
  const answers = async () => {
    for (const until = Date.now() + 60_000; !(await ping(engine)); await sleep(200))
      if (Date.now() > until || daemon.exitCode !== null)
        throw new Error(`the engine did not start, see ${folder}/engine.log`)
  }
  // Its containerd may need longer for the containers of its former life than it waits: a supervisor starts it again.
  const restart = async () => {
    daemon = start()
    await answers().catch((error) => {
      if (daemon.exitCode === null) throw error
      daemon = start()
      return answers()
    })
  }
  await answers().catch(async (error) => {
    await stop()
    throw error
  })
  const image = await from.docker.getImage('busybox:stable').get()
  const loaded = await engine.docker.loadImage(image)
  loaded.resume()
  await once(loaded, 'end')
  return {
    engine,
    dockerHost,
    bridge,
    gateway,
    cgroup: `${parent}/buildkit`,
    kill: () => end('SIGKILL'),
    restart,
    stop,
  }
}
