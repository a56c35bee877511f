/** The real parts a Taxiway stands on, when they run on this one machine. */

/** One part which answers at `address`. */
export interface LocalPart {
  name: 'redis' | 'engine' | 'registry' | 'kubernetes'
  how: 'found' | 'started' | 'installed and started'
  address: string
  /** Ends what was started, by process id. Does nothing for what was found. */
  stop(): Promise<void>
  /** Resolves when a program of it ends and nobody asked for that: see Daemon. Of what was found nothing is known. */
  died?: Promise<string>
}

/** Where state, logs and pid files go, and who hears about progress. */
export interface LocalOptions {
  folder: string
  say: (line: string) => void
}

/** A part that somebody else runs: stopping it is not ours to do. */
export function foundPart(name: LocalPart['name'], address: string): LocalPart {
  return { name, how: 'found', address, stop: async () => undefined }
}
