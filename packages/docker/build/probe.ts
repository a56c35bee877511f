import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { isKeptAway, probeImage } from '../engine/egress-probe.ts'
import type { Engine } from '../engine/engine.ts'
import { buildImage } from './build.ts'
import { packContext } from './context.ts'

/** What a build step was found to be held to; undefined where that was not clear. */
export interface StepContainment {
  /** Kept from the machine's own address. */
  network: boolean | undefined
  /** Within a limit on its processes, and so on the rest. */
  limits: boolean | undefined
}

// The limits are written as a step starts. It fails in the end, so that nothing is made or cached.
const script = [
  "at=$(ip route | sed -n 's/^default via \\([0-9.]*\\).*/\\1/p')",
  // Nobody listens on this port: an open way is told by a refusal.
  'if [ -z "$at" ]; then echo network unreachable; else nc -w 2 "$at" 9 </dev/null 2>&1 && echo open; fi',
  'for i in 1 2 3 4 5; do',
  'limit=$(cat /sys/fs/cgroup/pids/pids.max /sys/fs/cgroup/pids.max 2>/dev/null | head -n 1)',
  '[ "$limit" = max ] || break; sleep 1; done',
  'echo "limit=$limit"; exit 1',
].join('\n')

/** Finds out, by a step of a build, what build steps are held to. The image of the probes must be there. */
export async function probeBuildStep(engine: Engine, signal: AbortSignal): Promise<StepContainment> {
  const folder = await mkdtemp(join(tmpdir(), 'taxiway-probe-'))
  try {
    await writeFile(join(folder, 'probe.sh'), script)
    await writeFile(join(folder, 'Dockerfile'), `FROM ${probeImage}\nCOPY probe.sh /\nRUN sh /probe.sh\n`)
    const context = await packContext({ folder, subfolder: '.', dockerfile: 'Dockerfile', maxMb: 1, maxFiles: 9 })
    if (!context.ok) return { network: undefined, limits: undefined }
    let output = ''
    await buildImage(engine, {
      image: 'probe',
      context: context.value,
      tags: ['taxiway-work/probe:1-step'],
      cacheMounts: 'probe',
      signal,
      deadlineMs: 60_000,
      onLine: ({ stream, text }) => {
        if (stream !== 'progress') output += `${text}\n`
      },
    })
    const limit = /limit=(\w*)/.exec(output)?.[1]
    return {
      network: isKeptAway(output.replace(/^.*limit=.*$/m, '')),
      limits: limit ? limit !== 'max' : undefined,
    }
  } finally {
    await rm(folder, { recursive: true, force: true })
  }
}
