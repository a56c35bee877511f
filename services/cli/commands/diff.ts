import { styleText } from 'node:util'
import type { FieldChange, ObjectChange, ReleaseDiff } from '@taxiway/domain/environment/diff.ts'
import { oneLine } from '@taxiway/domain/reason.ts'
import { runId } from '../client.ts'
import { exitCodes } from '../exit-codes.ts'
import { serverCommand } from '../server-command.ts'

/** `taxiway diff`: what the releases of a run change against what was live. */
export const diff = serverCommand({
  name: 'diff',
  usage: `Usage: taxiway diff RUN [options]

Shows what the releases of a run change against what was live when they were made: object by object, field by field, with secrets
hidden. RUN is the id of a run, or the address of its page.
`,
  words: { least: 1, most: 1 },
  async act({ client, words, options }) {
    const path = `/runs/${encodeURIComponent(runId(words[0] ?? ''))}/diff`
    const { items } = (await client.call('GET', path)) as { items: ReleaseDiff[] }
    if (options.json) process.stdout.write(`${JSON.stringify(items, null, 2)}\n`)
    else if (items.length === 0) process.stdout.write('This run has made no release yet.\n')
    else process.stdout.write(`${items.flatMap(diffLinesOf).join('\n')}\n`)
    return exitCodes.good
  },
})

/** The diff of one environment, field by field. */
export function diffLinesOf({
  environment,
  generation,
  against,
  found,
  objects,
  unchanged,
  more,
}: ReleaseDiff): string[] {
  const first = found ? `against what others made (${found})` : 'the first'
  const to = against ? `against release ${against.generation} (${against.sha.slice(0, 7)})` : first
  return [
    styleText('bold', `${environment}, release ${generation}, ${to}`),
    ...objects.flatMap(objectLines),
    ...(more ? [`  … ${more} more objects`] : []),
    ...(unchanged > 0 ? [styleText('dim', `  ${unchanged} stay as they are`)] : []),
  ]
}

const signs = { added: ['+', 'green'], removed: ['-', 'red'], changed: ['~', 'yellow'] } as const

function objectLines({ object, change, fields, more }: ObjectChange): string[] {
  const [sign, colour] = signs[change]
  return [
    styleText(colour, `  ${sign} ${oneLine(object, 200)}`),
    ...fields.flatMap(fieldLines),
    ...(more ? [`      … ${more} more fields`] : []),
  ]
}

const fieldLines = ({ path, before, after }: FieldChange): string[] => [
  `      ${oneLine(path, 300)}`,
  ...(before === undefined ? [] : [styleText('red', `        - ${oneLine(before, 300)}`)]),
  ...(after === undefined ? [] : [styleText('green', `        + ${oneLine(after, 300)}`)]),
]
