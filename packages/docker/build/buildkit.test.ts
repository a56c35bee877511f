import { expect, test } from 'vitest'
import { type BuildStatus, makeBuildLog } from './buildkit.ts'

const vertex = (digest: string, more: Partial<BuildStatus['vertexes'][number]> = {}) => ({
  digest,
  name: `[1/1] RUN ${digest}`,
  cached: false,
  error: '',
  ...more,
})
const status = (more: Partial<BuildStatus>): BuildStatus => ({ vertexes: [], logs: [], warnings: [], ...more })
const logged = (digest: string, text: string | Buffer, stream = 1) =>
  status({ logs: [{ vertex: digest, stream, msg: Buffer.from(text as string) }] })
const texts = (lines: { text: string }[]) => lines.map((line) => line.text)

test('a step is named once, and its end is told', () => {
  const log = makeBuildLog()
  expect(texts(log.add(status({ vertexes: [vertex('a')] })))).toEqual([])
  expect(texts(log.add(status({ vertexes: [vertex('a', { started: {} })] })))).toEqual(['#1 [1/1] RUN a'])
  expect(texts(log.add(status({ vertexes: [vertex('a', { started: {}, completed: {} })] })))).toEqual(['#1 DONE'])
  const cached = vertex('b', { started: {}, completed: {}, cached: true })
  expect(texts(log.add(status({ vertexes: [cached] })))).toEqual(['#2 [1/1] RUN b', '#2 CACHED'])
})

test('an unfinished line is held until its end, streams apart, characters whole', () => {
  const log = makeBuildLog()
  const check = Buffer.from('✓\n')
  expect(log.add(logged('a', check.subarray(0, 2)))).toEqual([])
  expect(log.add(logged('a', 'err\n', 2))).toEqual([{ stream: 'err', text: '#1 err' }])
  expect(log.add(logged('a', check.subarray(2)))).toEqual([{ stream: 'out', text: '#1 ✓' }])
  log.add(logged('a', 'rest'))
  expect(texts(log.end())).toEqual(['#1 rest'])
})

test('the step that failed first is the failed one, not what was cancelled beside it', () => {
  const log = makeBuildLog()
  log.add(status({ vertexes: [vertex('a', { error: 'context canceled' })] }))
  log.add(logged('b', 'boom\n'))
  log.add(status({ vertexes: [vertex('b', { error: 'exit code: 1' })] }))
  expect(log.failed()).toMatchObject({ name: '[1/1] RUN b', lastLine: 'boom' })
})
