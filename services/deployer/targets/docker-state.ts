import { mkdir, readFile, rename, writeFile } from 'node:fs/promises'
import { join } from 'node:path'

/** Name of the file in the data folder. */
export const stateFile = 'docker-target.json'

/** What the machine carries: kept in a file, as it belongs to the machine. */
export interface MachineState {
  /** `<repository id>/<environment>` -> what was applied last, and whose containers serve. */
  environments: Record<string, { generation: number; runId: string; serving: number }>
  /** `<repository id>/<environment>/<service>` -> its port on this machine, and the workload behind it. */
  services: Record<string, { port: number; workload: string; containerPort: number }>
}

/** Reads and changes the state; changes go one after another, each written to the side and moved into place. */
export function openState(folder: string) {
  const file = join(folder, stateFile)
  let last: Promise<unknown> = Promise.resolve()
  const read = async (): Promise<MachineState> => {
    const text = await readFile(file, 'utf8').catch(() => '')
    return text ? JSON.parse(text) : { environments: {}, services: {} }
  }
  return {
    read,
    change(edit: (state: MachineState) => void): Promise<void> {
      const mine = last
        .catch(() => {})
        .then(async () => {
          const state = await read()
          edit(state)
          await mkdir(folder, { recursive: true })
          await writeFile(`${file}.new`, JSON.stringify(state, undefined, 2))
          await rename(`${file}.new`, file)
        })
      last = mine
      return mine
    },
  }
}
