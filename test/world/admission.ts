import { once } from 'node:events'
import { createServer } from 'node:https'
import type { AddressInfo } from 'node:net'
import type { Cluster } from '@taxiway/kubernetes/cluster/call.ts'
import { successOf } from '../contracts/target.ts'
import { makeCertificate } from './certificate.ts'
import { wait } from './cluster-scene.ts'

/** Namespace -> the resources that are refused there. */
export type Denials = Record<string, 'deployments' | 'pods'>

const configurations = '/apis/admissionregistration.k8s.io/v1/validatingwebhookconfigurations'

/** Starts a validating webhook that refuses these with these words. It hears of nothing else. @returns what stops it */
export async function denyIn(cluster: Cluster, denials: Denials, words: string): Promise<() => Promise<void>> {
  const name = `taxiway-test-${process.pid}`
  const { key, cert } = makeCertificate()
  const server = createServer({ key, cert }, async (request, response) => {
    const chunks: Buffer[] = []
    for await (const chunk of request) chunks.push(chunk as Buffer)
    const review = JSON.parse(Buffer.concat(chunks).toString())
    const { uid, namespace, resource } = review.request
    const allowed = denials[namespace] !== resource.resource
    response.setHeader('content-type', 'application/json')
    response.end(
      JSON.stringify({ ...review, request: undefined, response: { uid, allowed, status: { message: words } } }),
    )
  }).listen(0, '127.0.0.1')
  await once(server, 'listening')
  const url = `https://127.0.0.1:${(server.address() as AddressInfo).port}/`
  for (const namespace of Object.keys(denials)) {
    const body = { apiVersion: 'v1', kind: 'Namespace', metadata: { name: namespace, labels: { [name]: 'denied' } } }
    successOf(await cluster.call({ method: 'POST', path: '/api/v1/namespaces', body }, wait()))
  }
  const webhook = {
    name: 'signed.example.com',
    clientConfig: { url, caBundle: Buffer.from(cert).toString('base64') },
    rules: [
      { apiGroups: ['', 'apps'], apiVersions: ['*'], operations: ['CREATE'], resources: ['deployments', 'pods'] },
    ],
    namespaceSelector: { matchLabels: { [name]: 'denied' } },
    sideEffects: 'None',
    failurePolicy: 'Fail',
    admissionReviewVersions: ['v1'],
  }
  const body = {
    apiVersion: 'admissionregistration.k8s.io/v1',
    kind: 'ValidatingWebhookConfiguration',
    metadata: { name },
    webhooks: [webhook],
  }
  const made = successOf(await cluster.call({ method: 'POST', path: configurations, body }, wait()))
  if (made.status !== 201) throw new Error(JSON.stringify(made.body))
  return async () => {
    await cluster.call({ method: 'DELETE', path: `${configurations}/${name}` }, wait())
    server.closeAllConnections()
    server.close()
  }
}
