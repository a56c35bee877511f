import { setTimeout as sleep } from 'node:timers/promises'
import type { LocalOptions } from '../part.ts'
import type { Daemon } from '../process.ts'

/** One way to the programs of one version. */
export interface Build {
  /** What is built, in full: it names the cache. */
  version: string
  programs: string[]
  /** Can this machine do it? */
  isPossible(): Promise<boolean>
  /** What a machine lacks, for people. */
  needs: string
  /** The Debian packages behind it. */
  packages: string[]
  /** How long it takes, for people. */
  takes: string
  /** Does it in the folder, which is thrown away afterwards. @returns the folder with the programs */
  run(folder: string, o: LocalOptions): Promise<string>
}

/** Says once in a while how far the build is, until its program has ended. */
export async function tellProgress(daemon: Daemon, build: Build, say: LocalOptions['say']): Promise<void> {
  const started = Date.now()
  for (let told = started; daemon.alive(); await sleep(200)) {
    const minutes = (Date.now() - started) / 60_000
    if (minutes > 60) await daemon.stop()
    if (Date.now() - told < 30_000) continue
    told = Date.now()
    say(`building Kubernetes ${build.version}: ${minutes.toFixed(1)} minutes so far (${build.takes})`)
  }
}
