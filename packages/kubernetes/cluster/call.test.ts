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

test('what is asked when the time is over is asked all the same, and no silence of 0 s is told', async () => {
  const wait = { untilMs: performance.now() - 1, signal: new AbortController().signal, say: () => undefined }
  const call = { method: 'GET', path: '/' } as const
  const answered = await callUntil(async (): Promise<Answer> => ({ status: 200, body: {} }), call, wait)
  expect(answered).toMatchObject({ ok: true, value: { status: 200 } })
  const silent = await callUntil(
    async () => Promise.reject(Object.assign(new Error('x'), { code: 'ECONNREFUSED' })),
    call,
    wait,
  )
  expect(silent.ok ? '' : silent.reason.message).toBe('The Kubernetes API did not answer for 1 s.')
})
