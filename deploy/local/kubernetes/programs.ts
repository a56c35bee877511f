import { existsSync, mkdirSync, mkdtempSync, readdirSync, renameSync, rmSync } from 'node:fs'
import { homedir } from 'node:os'
import { join } from 'node:path'
import { withLock } from '../lock.ts'
import type { LocalOptions } from '../part.ts'
import type { Build } from './build.ts'
import { debianBuild } from './debian-build.ts'
import { modulesBuild } from './modules-build.ts'
import { type Version, versions, wantedVersion } from './versions.ts'

const builds: Record<Version, Build> = { '1.34': modulesBuild, '1.20': debianBuild }

/** Outside the checkout, so that only a new machine builds. */
const cacheFolder = ({ version }: Build) =>
  join(process.env.XDG_CACHE_HOME || join(homedir(), '.cache'), 'taxiway', `kubernetes-${version}`)

/** The folder with a version's programs, if an earlier build left them in the cache. */
function cachedPrograms(build: Build): string | undefined {
  const folder = join(cacheFolder(build), 'bin')
  return build.programs.every((name) => existsSync(join(folder, name))) ? folder : undefined
}

/** The versions whose programs this machine has or can make, the newest first; only the one that is asked for, if one is. */
export async function possibleVersions(): Promise<Version[]> {
  const wanted = wantedVersion()
  const possible: Version[] = []
  for (const version of versions) {
    if (wanted && version !== wanted) continue
    if (cachedPrograms(builds[version]) || (await builds[version].isPossible())) possible.push(version)
  }
  return possible
}

/** What to tell somebody whose machine can make no Kubernetes, or not the one that is asked for. */
export function whyNone(): string {
  const wanted = wantedVersion()
  if (wanted)
    return `Kubernetes ${wanted}, which TAXIWAY_LOCAL_KUBERNETES asks for, is not in the cache and cannot be built: ${builds[wanted].needs}.`
  return `No Kubernetes: set KUBECONFIG, or install kind. It can also be built: ${versions.map((version) => builds[version].needs).join(', or ')}.`
}

/** The Debian packages that building the version still needs on this machine. */
export function buildPackages(version: Version): string[] {
  return cachedPrograms(builds[version]) ? [] : builds[version].packages
}

/**
 * The folder with the version's programs; builds them when the cache has none.
 * Everything happens in a temporary folder and one rename ends it, so a half-done build is never taken for done.
 */
export async function ensurePrograms(version: Version, o: LocalOptions): Promise<string> {
  const build = builds[version]
  const task = async () => {
    const cached = cachedPrograms(build)
    if (cached) return cached
    const cache = cacheFolder(build)
    mkdirSync(cache, { recursive: true })
    for (const name of readdirSync(cache))
      if (name.startsWith('build-')) rmSync(join(cache, name), { recursive: true, force: true })
    const temporary = mkdtempSync(join(cache, 'build-'))
    try {
      const built = await build.run(temporary, o)
      const done = join(temporary, 'done')
      mkdirSync(done)
      for (const name of build.programs) renameSync(join(built, name), join(done, name))
      rmSync(join(cache, 'bin'), { recursive: true, force: true })
      renameSync(done, join(cache, 'bin'))
      return join(cache, 'bin')
    } finally {
      rmSync(temporary, { recursive: true, force: true })
    }
  }
  const waiting = () => o.say('another process builds Kubernetes: waiting')
  return cachedPrograms(build) ?? withLock('kubernetes-build', waiting, task)
}
