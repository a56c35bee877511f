const units = { s: 1000, m: 60_000, h: 3_600_000, d: 24 * 3_600_000 } as const
/** `90s`, `10m`, `1h` or `7d` in milliseconds. */
export const durationMs = (text: string | undefined, fallbackMs: number): number =>
  text === undefined ? fallbackMs : Number(text.slice(0, -1)) * units[text.slice(-1) as keyof typeof units]

/** A name usable for images, namespaces and containers: lower case, digits and dashes, at most 40 characters. */
export const slug = (text: string): string =>
  text
    .toLowerCase()
    .replace(/[^a-z0-9]+/g, '-')
    .replace(/^-+|-+$/g, '')
    .slice(0, 40)
    .replace(/-+$/, '') || 'app'

/** `512Mi` or `4Gi` in MB. */
export const sizeMb = (text: string): number => Number(text.slice(0, -2)) * (text.endsWith('Gi') ? 1024 : 1)
