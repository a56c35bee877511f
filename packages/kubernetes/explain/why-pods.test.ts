import { done } from '@taxiway/domain/reason.ts'
import { expect, test } from 'vitest'
import type { Cluster } from '../cluster/call.ts'
import { waitFor } from '../cluster/call.ts'
import type { Pod } from '../object.ts'
import { whyPodsFail } from './why-pods.ts'

const cluster = { call: async () => done({ status: 200, body: { items: [] } }) } as unknown as Cluster
const wait = waitFor(1000, { signal: new AbortController().signal, say: () => undefined })
const refused = { waiting: { reason: 'ErrImagePull', message: 'unauthorized: authentication required' } }
const podOf = (spec: object): Pod => ({
  apiVersion: 'v1',
  kind: 'Pod',
  metadata: { name: 'web-1' },
  spec: { containers: [{ name: 'web' }], ...spec },
  status: { phase: 'Pending', containerStatuses: [{ name: 'web', ready: false, restartCount: 0, state: refused }] },
})
const workload = { apiVersion: 'apps/v1', kind: 'Deployment', metadata: { name: 'web' } }
const why = (spec: object, lastsMs: number) =>
  whyPodsFail(
    cluster,
    { workload, health: { state: 'progressing', detail: '' }, pods: [podOf(spec)], isMakingRoom: false },
    { namespace: 'shop', lasting: () => lastsMs, over: false },
    wait,
  )

test('a pod that is given credentials is given time until its node has heard of them', async () => {
  const given = { imagePullSecrets: [{ name: 'taxiway-pull' }] }
  expect(await why(given, 0)).toMatchObject({ cause: 'image_refused', final: false })
  expect(await why(given, 20_000)).toMatchObject({ cause: 'image_refused', final: true })
  expect(await why({}, 0)).toMatchObject({ cause: 'image_refused', final: true })
})
