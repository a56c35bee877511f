import { cpSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import type { startGitHost } from '../git-host/server.ts'
import type { Observed } from '../oracle/observed.ts'
import type { Taxiway } from './taxiway.ts'

/** What a scene plays in: a git host, a Taxiway, one repository, and where its application answers. */
export interface World {
  host: Awaited<ReturnType<typeof startGitHost>>
  taxiway: Taxiway
  repository: { id: string; name: string }
  /** Where its releases to production go; those to staging go to the one with `-staging` behind it. */
  namespace: string
  /** Folder of the working tree that is pushed from. */
  tree: string
  /** Changes files, commits and pushes. @returns the commit and its run, once the run is there */
  push(files: Record<string, string | undefined>, message: string): Promise<{ sha: string; runId: string }>
  /** Where the application answers, in production if nothing else is said. */
  address(environment?: string): string
  /** What more can be pushed to, token included. */
  pushUrl: string
  /** What the application answers now on `/`. @throws when it does not answer 200 */
  visit(environment?: string): Promise<string>
  /** The image digests of what is really running, and ready. */
  runningDigests(environment?: string): Promise<string[]>
  /** What the oracle looks at. */
  observed: Observed
  /** The latest state of each context that the git host holds for a commit. */
  statuses(sha: string): Promise<Record<string, { state: string; description: string }>>
  /** Tells people what happens. */
  say(line: string): void
}
/** One story, checked against what is really running and what the git host really holds. */
export interface Scene {
  name: string
  title: string
  play(world: World): Promise<void>
}

/** @throws with what was expected, when it is not so */
export function check(holds: boolean, expectation: string): asserts holds {
  if (!holds) throw new Error(`expected ${expectation}`)
}

/** Waits until `probe` answers without throwing, and returns its answer. @throws its last error after the deadline */
export async function eventually<T>(probe: () => Promise<T>, deadlineMs: number): Promise<T> {
  const until = performance.now() + deadlineMs
  for (;;) {
    try {
      return await probe()
    } catch (error) {
      if (performance.now() > until) throw error
    }
    await new Promise((resolve) => setTimeout(resolve, 100))
  }
}

/** Waits until the git host holds exactly these states for the commit. */
export const expectStatuses = (
  world: World,
  sha: string,
  wanted: Record<string, string>,
): Promise<Record<string, { state: string; description: string }>> =>
  eventually(async () => {
    const held = await world.statuses(sha)
    for (const [context, state] of Object.entries(wanted))
      check(
        held[context]?.state === state,
        `status ${context} of ${sha.slice(0, 7)} to be ${state}, it is ${held[context]?.state ?? 'missing'}`,
      )
    return held
  }, 15_000)

/** The digests of a run are what runs, and nothing else. */
export async function expectRunning(
  world: World,
  run: { images: { digest?: string }[] },
  environment?: string,
): Promise<void> {
  const wanted = run.images.map(({ digest }) => digest).join()
  await eventually(async () => {
    const running = [...new Set(await world.runningDigests(environment))].join()
    check(running === wanted, `the running image to be ${wanted}, it is ${running || 'nothing'}`)
  }, 20_000)
}

/** Writes files (or removes those that are undefined) into a folder. */
export function writeFiles(folder: string, files: Record<string, string | undefined>): void {
  for (const [name, text] of Object.entries(files)) {
    if (text === undefined) rmSync(join(folder, name), { force: true })
    else writeFileSync(join(folder, name), text)
  }
}

/** Copies the sample repository into a folder, with the namespace of this world. */
export function copySample(folder: string, namespace: string): void {
  cpSync(join(import.meta.dirname, '../samples/web'), folder, { recursive: true })
  const file = join(folder, '.taxiway.yaml')
  writeFileSync(file, readFileSync(file, 'utf8').replaceAll('taxiway-demo', namespace))
}
