import type { TestOf } from '../pipeline/pipeline.ts'

type Matrix = NonNullable<TestOf['matrix']>
type Values = Record<string, string>

/** One choice of a value for each variable of a matrix, and what the test is called with it. */
export interface Combination {
  /** `node=22, os=alpine`; empty without a matrix. What `include` adds to a combination changes no name. */
  label: string
  values: Values
}

/** The variables and what they may be, without `include` and `exclude`. */
export const axesOf = ({ include: _more, exclude: _less, ...axes }: Matrix): Record<string, string[]> =>
  axes as Record<string, string[]>

/** How many choices there are before any is left out or added. */
export const productOf = (axes: Record<string, string[]>): number =>
  Object.values(axes).reduce((product, values) => product * values.length, 1)

/**
 * All choices but those that match an entry of `exclude` in all that it names; then `include`, entry by entry: its values are added to each of
 * those whose own values it doesn't change, and where there is none it is a combination of its own. So GitHub Actions has it.
 */
export function combinations(matrix: Matrix = {}): Combination[] {
  const axes = axesOf(matrix)
  const { include = [], exclude = [] } = matrix
  const isAlone = Object.keys(axes).length === 0
  const chosen = (isAlone && include.length > 0 ? [] : choices(axes)).filter(
    (values) => !exclude.some((entry) => Object.entries(entry).every(([name, value]) => values[name] === value)),
  )
  const kept = chosen.map((values) => ({ label: labelOf(values), values }))
  const added: Combination[] = []
  for (const entry of include) {
    const own = Object.keys(axes).filter((name) => Object.hasOwn(entry, name))
    const fitting = kept.filter(({ values }) => own.every((name) => values[name] === entry[name]))
    for (const one of fitting) one.values = { ...one.values, ...entry }
    if (fitting.length === 0) {
      // The matrix's own variables first, in its order.
      const values = { ...Object.fromEntries(own.map((name) => [name, entry[name] as string])), ...entry }
      added.push({ label: labelOf(values), values })
    }
  }
  return [...kept, ...added]
}

const labelOf = (values: Values) =>
  Object.entries(values)
    .map(([name, value]) => `${name}=${value}`)
    .join(', ')

const choices = (axes: Record<string, string[]>): Values[] =>
  Object.entries(axes).reduce<Values[]>(
    (chosen, [name, values]) => chosen.flatMap((one) => values.map((value) => ({ ...one, [name]: value }))),
    [{}],
  )
