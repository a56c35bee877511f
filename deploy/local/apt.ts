import { existsSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { withLock } from './lock.ts'
import { findProgram, runProgram } from './process.ts'

const policyFile = '/usr/sbin/policy-rc.d'
const aptOptions = ['-o', 'DPkg::Lock::Timeout=300', '-o', 'Acquire::Retries=3']
const quiet = { DEBIAN_FRONTEND: 'noninteractive', LC_ALL: 'C' }
let updated = false

/** The packages of the list that are not installed. */
export async function missingPackages(names: string[]): Promise<string[]> {
  // biome-ignore lint/suspicious/noTemplateCurlyInString: dpkg-query's own format, not a template.
  const query = ['-W', '-f', '${Package} ${db:Status-Status}\n']
  const installed = findProgram('dpkg-query') ? await runProgram('dpkg-query', query).catch(() => '') : ''
  const lines = new Set(installed.split('\n'))
  return names.filter((name) => !lines.has(`${name} installed`))
}

/** Can this process install Debian packages on this machine? */
export function canInstall(): boolean {
  const release = existsSync('/etc/os-release') ? readFileSync('/etc/os-release', 'utf8') : ''
  return (
    process.getuid?.() === 0 && findProgram('apt-get') !== undefined && /^ID(_LIKE)?=.*(debian|ubuntu)/m.test(release)
  )
}

/** `apt-get update`, once in the life of this process. A broken third-party source is no failure. */
async function updateLists(say: (line: string) => void): Promise<void> {
  if (updated) return
  say('apt-get update')
  await runProgram('apt-get', [...aptOptions, 'update'], { seconds: 300, env: quiet }).catch((error: Error) =>
    say(`apt-get update had trouble: ${error.message.split('\n').at(-1)}`),
  )
  updated = true
}

/** Forbids the packages' own services to start while the task runs, the way Debian foresees it. */
async function withoutServices(task: () => Promise<unknown>): Promise<void> {
  const ours = !existsSync(policyFile)
  if (ours)
    writeFileSync(policyFile, '#!/bin/sh\n# Taxiway: remove me if no apt-get runs.\nexit 101\n', { mode: 0o755 })
  try {
    await task()
  } finally {
    if (ours) rmSync(policyFile, { force: true })
  }
}

/**
 * Installs those of the packages that are missing, in one apt-get call, their services not started.
 * Resolves to false when nothing was missing. Where it may not install, it says what to run.
 */
export async function installPackages(names: string[], say: (line: string) => void): Promise<boolean> {
  if ((await missingPackages(names)).length === 0) return false
  const install = ['install', '-y', '--no-install-recommends']
  if (!canInstall())
    throw new Error(`Run this as root first: apt-get ${install.join(' ')} ${(await missingPackages(names)).join(' ')}`)
  return withLock(
    'apt',
    () => say('waiting for another installation'),
    async () => {
      const missing = await missingPackages(names)
      if (missing.length === 0) return true
      await updateLists(say)
      say(`apt-get install ${missing.join(' ')}`)
      await withoutServices(() =>
        runProgram('apt-get', [...aptOptions, ...install, ...missing], { seconds: 900, env: quiet }),
      )
      return true
    },
  )
}
