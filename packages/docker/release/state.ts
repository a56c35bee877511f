import { mkdir, open, readFile, rename } from 'node:fs/promises'
import { join } from 'node:path'
import type { Probe } from './pod.ts'

/** Name of the file in the data folder. */
export const stateFile = 'docker-target.json'

/** One environment: what was applied last, and the generation of the order whose containers serve (0: none). */
export interface EnvironmentRecord {
  generation: number
  runId: string
  serving: number
  /** Generation of an order (the one that serves, the one applied last) -> workload -> template of its containers. */
  templates?: Record<number, Templates>
  /** Names of containers that shall get no new request, as they are about to end. */
  leaving?: string[]
}
/** A service: its port on this machine (0: none yet), what is behind it, and how to ask whether that is ready. */
export interface ServiceRecord {
  port: number
  workload: string
  containerPort: number
  probe: Probe
}
/** Name of a workload -> its template: see template.ts. */
export type Templates = Readonly<Record<string, string>>

/** What the machine carries: kept in a file, as it belongs to the machine. */
export interface MachineState {
  /** Keeps templates from telling what is in them. Made with the first. */
  key?: string
  /** By `<repository id>/<environment>`. */
  environments: Record<string, EnvironmentRecord>
  /** By `<repository id>/<environment>/<service>`. */
  services: Record<string, ServiceRecord>
}
/** The record of one machine. */
export interface StateFile {
  read(): Promise<MachineState>
  /** Changes go one after another; each is on the disk when it resolves. @returns what `edit` returned */
  change<T>(edit: (state: MachineState) => T): Promise<T>
}

/** Opens the record in a folder, which is made when it is missing. Only one process may write it, the deployer; the proxy reads it. */
export function openState(folder: string): StateFile {
  const file = join(folder, stateFile)
  let last: Promise<unknown> = Promise.resolve()
  const read = async (): Promise<MachineState> => {
    const text = await readFile(file, 'utf8').catch((error) => {
      if (error.code === 'ENOENT') return ''
      throw error
    })
    return text ? JSON.parse(text) : { environments: {}, services: {} }
  }
  const write = async (state: MachineState) => {
    await mkdir(folder, { recursive: true })
    const beside = await open(`${file}.new`, 'w')
    try {
      await beside.writeFile(JSON.stringify(state, undefined, 2))
      // The name must not be there before the bytes are.
      await beside.sync()
    } finally {
      await beside.close()
    }
    await rename(`${file}.new`, file)
  }
  return {
    read,
    change(edit) {
      const mine = last
        .catch(() => undefined)
        .then(async () => {
          const state = await read()
          const before = JSON.stringify(state)
          const result = edit(state)
          if (JSON.stringify(state) !== before) await write(state)
          return result
        })
      last = mine
      return mine
    },
  }
}
