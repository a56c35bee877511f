import { readdir, rm } from 'node:fs/promises'
import { join } from 'node:path'
import type { Engine } from '@taxiway/docker/engine/engine.ts'
import { sweep } from '@taxiway/docker/engine/labels.ts'
import { parseRunId } from '@taxiway/domain/ids.ts'
import { isTerminal } from '@taxiway/domain/run/run.ts'
import type { Runs } from '@taxiway/store/runs/runs.ts'

export interface SweepDeps {
  engine: Engine
  runs: Runs
  /** Folder of the workspaces of this builder. */
  workspaces: string
}

/** One pass: what runs left that are over or unknown goes, and all but the images of attempts that a later one has followed. */
export function makeSweep({ engine, runs, workspaces }: SweepDeps) {
  const isWanted = async (text: string, attempt?: number): Promise<boolean> => {
    const id = parseRunId(text)
    const run = id && (await runs.read(id))
    return run !== undefined && !isTerminal(run.state) && run.attempt === (attempt ?? run.attempt)
  }
  return async function sweepOnce(): Promise<void> {
    await sweep(engine, { keep: isWanted })
    for (const name of await readdir(workspaces).catch(() => [])) {
      const [id = '', attempt] = name.split('-')
      if (!(await isWanted(id, Number(attempt)))) await rm(join(workspaces, name), { recursive: true, force: true })
    }
  }
}
