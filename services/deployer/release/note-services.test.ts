import type { RenderedObject } from '@taxiway/domain/environment/release.ts'
import { expect, test } from 'vitest'
import { noteServices } from './note-services.ts'

const service = (selector: object): RenderedObject => ({
  apiVersion: 'v1',
  kind: 'Service',
  metadata: { name: 'web' },
  spec: { selector },
})
const workload: RenderedObject = {
  apiVersion: 'apps/v1',
  kind: 'Deployment',
  metadata: { name: 'web' },
  spec: { template: { metadata: { labels: { app: 'web' } } } },
}

async function notesOf(objects: RenderedObject[], crossings?: unknown) {
  const notes: string[] = []
  const stage = {
    log: { say: () => {} },
    record: async ({ reason }: { reason: { code: string; message: string } }) => {
      notes.push(`${reason.code}: ${reason.message}`)
    },
  }
  const target = crossings ? { crossings: async () => crossings } : {}
  const rollOut = { stage, target, order: { objects }, work: () => ({}) }
  await noteServices(rollOut as unknown as Parameters<typeof noteServices>[0])
  return notes
}

test('a Service that fits no pod of its release is noted, on one machine too', async () => {
  expect(await notesOf([workload, service({ app: 'web' })])).toEqual([])
  expect(await notesOf([workload, service({ app: 'wbe' })])).toEqual([
    'service_without_pods: The selector of Service/web fits no pod of this release, so nobody answers there. Let it name labels that a pod template has.',
  ])
})

test('what crosses environments is noted once; a cluster that can not tell is no reason to stop', async () => {
  const crossing = { ok: true, value: ['Service/web also selects pods of environment b'] }
  expect(await notesOf([workload, service({ app: 'web' })], crossing)).toEqual([
    expect.stringMatching(/^services_cross: Service\/web also selects pods of environment b\. Requests go to both/),
  ])
  expect(await notesOf([workload], { ok: false, reason: { code: 'cluster_unavailable', message: '' } })).toEqual([])
})
