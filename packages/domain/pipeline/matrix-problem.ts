import { axesOf, combinations, productOf } from '../plan/matrix.ts'
import { didYouMean } from './nearest.ts'
import type { TestOf } from './pipeline.ts'
import type { Problem } from './schema-problem.ts'

/** Tests that one matrix may make: its product grows faster than people think. */
const mostTests = 100
/** Combinations before `exclude` takes any away. */
const mostChoices = 1000

/** What does not go together in a matrix, with paths in it, where its schema has nothing against it. */
export function matrixProblems(matrix: NonNullable<TestOf['matrix']>): Problem[] {
  const axes = axesOf(matrix)
  const { include = [], exclude = [] } = matrix
  const problems: Problem[] = [
    ...exclude.flatMap((entry, index) => excludeProblems(axes, entry, ['exclude', index])),
    ...include.flatMap((entry, index) => emptyProblem(entry, ['include', index])),
  ]
  const product = productOf(axes)
  if (exclude.length > 0 && product > mostChoices)
    return [
      ...problems,
      { path: [], detail: `has ${product} combinations before exclude, and may have ${mostChoices}` },
    ]
  if (product > mostChoices) return [...problems, tooMany(product)]
  const made = combinations(matrix)
  if (made.length > mostTests) return [...problems, tooMany(made.length)]
  if (made.length === 0) return [...problems, { path: [], detail: 'leaves no combination, so nothing would be tested' }]
  const labels = made.map(({ label }) => label)
  const twice = labels.find((label, index) => labels.indexOf(label) !== index)
  return twice === undefined ? problems : [...problems, { path: [], detail: `makes the combination ${twice} twice` }]
}

const tooMany = (count: number) => ({ path: [], detail: `makes ${count} tests, and may make ${mostTests}` })

const emptyProblem = (entry: object, path: Problem['path']): Problem[] =>
  Object.keys(entry).length > 0 ? [] : [{ path, detail: 'names no variable' }]

/** An entry that can match nothing is a slip: what it was to leave out is tested. */
function excludeProblems(
  axes: Record<string, string[]>,
  entry: Record<string, string>,
  path: Problem['path'],
): Problem[] {
  const problems = Object.entries(entry).flatMap(([name, value]) => {
    const values = Object.hasOwn(axes, name) ? axes[name] : undefined
    const detail = values
      ? `matches nothing: ${name} has no value ${value}${didYouMean(value, values)}`
      : `${name} is no variable of this matrix${didYouMean(name, Object.keys(axes))}`
    return values?.includes(value) ? [] : [{ path: [...path, name], detail }]
  })
  return [...emptyProblem(entry, path), ...problems]
}
