import { readFileSync } from 'node:fs'

/**
 * May a process on this machine be given a negative OOM score? Needs CAP_SYS_RESOURCE, bit 24.
 * Kubernetes' sandboxes ask for one, and without the capability they cannot start.
 */
export function canLowerOomScore(): boolean {
  const bound = /^CapBnd:\s*([0-9a-f]+)$/m.exec(readFileSync('/proc/self/status', 'utf8'))?.[1]
  return bound === undefined || ((BigInt(`0x${bound}`) >> 24n) & 1n) === 1n
}
