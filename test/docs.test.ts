import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { variables } from '@taxiway/chassis/config.ts'
import { reasonCodes, sampleSentence } from '@taxiway/domain/reason.ts'
import { moves } from '@taxiway/domain/run.ts'
import { expect, test } from 'vitest'

const root = join(import.meta.dirname, '..')
const variableTable = [
  '| variable | default | what it is |',
  '|---|---|---|',
  ...Object.entries(variables).map(
    ([name, { default: value, help }]) => `| \`${name}\` | ${value ? `\`${value}\`` : ''} | ${help} |`,
  ),
]
const stateTable = [
  '| state | moves on to |',
  '|---|---|',
  ...Object.entries(moves).map(
    ([state, next]) => `| ${state} | ${next.length > 0 ? next.join(', ') : 'nothing, it is final'} |`,
  ),
]
const reasonTable = [
  '| code | sentence |',
  '|---|---|',
  ...reasonCodes.map((code) => `| \`${code}\` | ${sampleSentence(code)} |`),
]

/** Between the markers of a file stands exactly this; UPDATE_DOCS=1 writes it. */
function expectBetween(file: string, marker: string, lines: string[]): void {
  const path = join(root, file)
  const text = readFileSync(path, 'utf8')
  const pattern = new RegExp(`(<!-- ${marker} -->\n)[^]*?(<!-- /${marker} -->)`)
  expect(text).toMatch(pattern)
  const wanted = text.replace(pattern, (_all, before, after) => `${before}${lines.join('\n')}\n${after}`)
  if (process.env.UPDATE_DOCS) writeFileSync(path, wanted)
  expect(readFileSync(path, 'utf8')).toBe(wanted)
}

test('the README lists every variable with its default', () => expectBetween('README.md', 'variables', variableTable))
test('ARCHITECTURE draws the states from the table', () => expectBetween('ARCHITECTURE.md', 'states', stateTable))
test('the page of reasons has every code and its sentence', () =>
  expectBetween('docs/reference/reasons.md', 'reasons', reasonTable))
