import { createHash } from 'node:crypto'
import { basename } from 'node:path'

/** What the paths of all clusters' state begin with: short, as the name of a socket may have 107 characters. */
export const statePrefix = '/var/lib/taxiway-kubernetes-'

/** Where a cluster keeps everything that is thrown away with it. */
export const stateOf = (folder: string) =>
  `${statePrefix}${createHash('sha256').update(folder).digest('hex').slice(0, 8)}`

/** Of this cluster alone, by its state folder: its control group, its bridge, its network and the mark of its rules. */
export const nameOf = (state: string) => `taxiway${basename(state).slice(-8)}`
