/** Bits of a work network's part of the pool: 29 containers each. */
const partBits = 27

/** An IPv4 range, as numbers. */
export interface Range {
  first: number
  last: number
}

/** Reads `10.213.0.0/16`; undefined when it is none. */
export function parseRange(text: string): Range | undefined {
  const match = /^(\d{1,3})\.(\d{1,3})\.(\d{1,3})\.(\d{1,3})(?:\/(\d{1,2}))?$/.exec(text)
  if (!match) return undefined
  const parts = match.slice(1, 5).map(Number)
  const bits = match[5] === undefined ? 32 : Number(match[5])
  if (bits > 32 || parts.some((part) => part > 255)) return undefined
  const size = 2 ** (32 - bits)
  const address = parts.reduce((all, part) => all * 256 + part, 0)
  const first = address - (address % size)
  return { first, last: first + size - 1 }
}

/** A free part of the pool for one network, the first at or after `start` (any number); undefined when none is left. */
export function freePart(pool: Range, taken: readonly Range[], start: number): string | undefined {
  const size = 2 ** (32 - partBits)
  const count = Math.floor((pool.last - pool.first + 1) / size)
  for (let step = 0; step < count; step++) {
    const first = pool.first + ((start + step) % count) * size
    if (!taken.some((range) => range.first <= first + size - 1 && first <= range.last))
      return `${dotted(first)}/${partBits}`
  }
  return undefined
}

const dotted = (address: number): string =>
  [24, 16, 8, 0].map((shift) => Math.floor(address / 2 ** shift) % 256).join('.')

/** The first address of a part: its gateway. */
export const firstOf = (part: string): string => dotted((parseRange(part)?.first ?? 0) + 1)

/**
 * Ranges that a machine already has a way to, by the text of its /proc/net/route (proc_net(5): fields of an interface, then destination and, as the
 * eighth, mask, both hexadecimal with the first byte last). Everything's way out is none of them.
 */
export function routedRanges(table: string): Range[] {
  const rows = table.split('\n').map((row) => row.split(/\s+/))
  return rows.flatMap(([, destination = '', , , , , , mask = '']): Range[] => {
    if (!/^[\dA-F]{8}$/.test(destination) || !/^[\dA-F]{8}$/.test(mask) || mask === '00000000') return []
    const first = numberOf(destination)
    return [{ first, last: first + (0xffffffff - numberOf(mask)) }]
  })
}

const numberOf = (hex: string): number => Buffer.from(hex, 'hex').readUInt32LE(0)
