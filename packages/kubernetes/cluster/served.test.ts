import { expect, test } from 'vitest'
import type { Answer, Call } from './call.ts'
import { makeServed } from './served.ts'

const nowhere: Answer = { status: 404, body: '404 page not found\n' }
const group = { preferredVersion: { version: 'v1' }, versions: [{ version: 'v1' }] }
const budget = { apiVersion: 'policy/v1', kind: 'PodDisruptionBudget', metadata: { name: 'web' } }
const path = (version: string, name = 'web') => `/apis/policy/${version}/namespaces/shop/poddisruptionbudgets/${name}`

/** A cluster that serves policy/v1 and has one budget. */
function cluster() {
  const asked: string[] = []
  const send = async (call: Call): Promise<Answer> => {
    asked.push(`${call.method} ${call.path}`)
    if (call.path === '/apis/policy') return { status: 200, body: group }
    if (call.path === path('v1')) return { status: 200, body: budget }
    return call.path.startsWith('/apis/policy/v1/') ? { status: 404, body: { details: { name: 'x' } } } : nowhere
  }
  const served = makeServed(send)
  return {
    asked,
    get: (to: string, method: Call['method'] = 'GET') => served({ method, path: to }, AbortSignal.timeout(1000)),
  }
}

test('an object whose version is served no more is there under the one that is', async () => {
  const { asked, get } = cluster()
  expect(await get(path('v1beta1'))).toEqual({ status: 200, body: budget })
  expect((await get(path('v1beta1'), 'DELETE')).status).toBe(200)
  expect((await get(path('v1beta1', 'other'))).status).toBe(404)
  expect(asked.filter((one) => one === 'GET /apis/policy')).toHaveLength(1)
})

test('what is not there is asked for once, and nothing is written under another version', async () => {
  const { asked, get } = cluster()
  expect((await get(path('v1', 'other'))).status).toBe(404)
  expect((await get(path('v1beta1'), 'PATCH')).status).toBe(404)
  expect((await get('/api/v1/namespaces/shop/nothing')).status).toBe(404)
  expect(asked).toHaveLength(3)
})
