import { expect, test } from 'vitest'
import { pathOf } from '../object.ts'
import { makeDiscovery } from './discovery.ts'

const signal = new AbortController().signal
function world(resources: object[], status = 200) {
  const asked: string[] = []
  const clock = { ms: 0 }
  const resolve = makeDiscovery(
    async (path) => {
      asked.push(path)
      return { status, body: { resources: [...resources] } }
    },
    () => clock.ms,
  )
  return { asked, clock, resources, resolve: (path: string) => resolve(path, signal) }
}
const certificate = { apiVersion: 'cert-manager.io/v1', kind: 'Certificate', name: 'web' }
const listed = [
  { name: 'certificates/status', kind: 'Certificate', namespaced: true },
  { name: 'certificates', kind: 'Certificate', namespaced: true },
  { name: 'clusterissuers', kind: 'ClusterIssuer', namespaced: false },
]

test('the path of a kind that is not ours is what the API says, which is asked once', async () => {
  const { asked, resolve } = world(listed)
  const path = '/apis/cert-manager.io/v1/namespaces/shop/certificates'
  expect(await resolve(pathOf('shop', certificate))).toBe(`${path}/web`)
  expect(await resolve(pathOf('shop', { apiVersion: 'cert-manager.io/v1', kind: 'Certificate' }))).toBe(path)
  expect(asked).toEqual(['/apis/cert-manager.io/v1'])
})

test('our own kinds ask nobody', async () => {
  const { asked, resolve } = world([])
  const path = pathOf('shop', { apiVersion: 'apps/v1', kind: 'Deployment', name: 'web' })
  expect(await resolve(path)).toBe('/apis/apps/v1/namespaces/shop/deployments/web')
  expect(asked).toEqual([])
})

test('the core has its own root', async () => {
  const { resolve } = world([{ name: 'secrets', kind: 'Secret', namespaced: true }])
  expect(await resolve(pathOf('shop', { apiVersion: 'v1', kind: 'Secret', name: 'db' }))).toBe(
    '/api/v1/namespaces/shop/secrets/db',
  )
})

test('a cluster-wide kind has no path in a namespace', async () => {
  const { resolve } = world(listed)
  const path = pathOf('shop', { apiVersion: 'cert-manager.io/v1', kind: 'ClusterIssuer', name: 'x' })
  expect(await resolve(path)).toMatchObject({ status: 405, body: { reason: 'ClusterWide' } })
})

test('an unknown kind is looked for anew after a while, as its definition may have come', async () => {
  const { asked, clock, resources, resolve } = world([])
  expect(await resolve(pathOf('shop', certificate))).toMatchObject({ status: 404 })
  resources.push(...listed)
  expect(await resolve(pathOf('shop', certificate))).toMatchObject({ status: 404 })
  expect(asked).toHaveLength(1)
  clock.ms = 10_000
  expect(await resolve(pathOf('shop', certificate))).toContain('/certificates/web')
})

test('a group that the cluster does not have is a kind that it does not know; any other answer is passed on', async () => {
  expect(await world([], 404).resolve(pathOf('shop', certificate))).toMatchObject({ status: 404 })
  expect(await world([], 503).resolve(pathOf('shop', certificate))).toMatchObject({ status: 503 })
})
