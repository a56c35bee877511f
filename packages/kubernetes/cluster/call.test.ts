import { expect, test } from 'vitest'
import { type Answer, callUntil, warningsIn } from './call.ts'

test('a header with several warnings is read with what they quote', () => {
  expect(warningsIn(undefined)).toEqual([])
  expect(
    warningsIn('299 - "policy/v1beta1 is deprecated", 299 - "would violate \\"restricted\\", \\\\ and more"'),
  ).toEqual(['policy/v1beta1 is deprecated', 'would violate "restricted", \\ and more'])
})

test('what the server warns of stands in the log once, with the object that it was first said of', async () => {
  const lines: string[] = []
  const say = (line: string) => void lines.push(line)
  const apply = (name: string, warnings: string[]) => {
    const body = { kind: 'Deployment', metadata: { name } }
    const answer = async (): Promise<Answer> => ({ status: 200, body, warnings })
    const wait = { untilMs: performance.now() + 5_000, signal: new AbortController().signal, say }
    return callUntil(answer, { method: 'PATCH', path: '/', body }, wait)
  }
  await apply('web', ['it is deprecated'])
  await apply('db', ['it is deprecated', 'unknown field "spec.x"'])
  expect(lines).toEqual([
    'Kubernetes warns of Deployment/web: it is deprecated',
    'Kubernetes warns of Deployment/db: unknown field "spec.x"',
  ])
})
