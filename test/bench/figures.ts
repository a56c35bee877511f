/** Sorted copy's value at a share from 0 to 1. */
export const quantile = (values: number[], share: number): number =>
  values.toSorted((a, b) => a - b)[Math.min(values.length - 1, Math.floor(values.length * share))] ?? Number.NaN
export const median = (values: number[]): number => quantile(values, 0.5)
export const round = (value: number, digits: number): number => Number(value.toFixed(digits))

/** One line of the table. */
export interface Row {
  figure: string
  goal: string
  measured: string
  holds: boolean
}
/** What a bench is given and gives. */
export interface BenchContext {
  folder: string
  /** REDIS_URL and the other addresses. */
  environment: Record<string, string | undefined>
  say(line: string): void
  rounds: number
}
export interface BenchResult {
  rows: Row[]
  figures: Record<string, number>
}
