import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { clusterVersion } from '@taxiway/kubernetes/cluster/call.ts'
import { connectCluster } from '@taxiway/kubernetes/cluster/connection.ts'
import { afterAll, expect, test } from 'vitest'
import { parse } from 'yaml'

const folder = mkdtempSync(join(tmpdir(), 'taxiway-credentials-'))
afterAll(() => rmSync(folder, { recursive: true, force: true }))
const admin = parse(readFileSync(process.env.KUBECONFIG ?? '', 'utf8'))
const wait = () => ({ untilMs: performance.now() + 10_000, signal: new AbortController().signal, say: () => {} })

test('credentials that run out are asked for anew where they come from, and the call is made again', async () => {
  const file = join(folder, 'credential.json')
  /** What a credential plugin prints: it says nothing of an end, so it is kept. */
  const give = (status: object) =>
    writeFileSync(
      file,
      JSON.stringify({ apiVersion: 'client.authentication.k8s.io/v1', kind: 'ExecCredential', status }),
    )
  const { user } = admin.users[0]
  const right = user.token
    ? { token: user.token }
    : {
        clientCertificateData: Buffer.from(user['client-certificate-data'], 'base64').toString(),
        clientKeyData: Buffer.from(user['client-key-data'], 'base64').toString(),
      }
  const copy = structuredClone(admin)
  const exec = { apiVersion: 'client.authentication.k8s.io/v1', command: 'cat', args: [file] }
  copy.users[0].user = { exec: { ...exec, interactiveMode: 'Never' } }
  const kubeconfig = join(folder, 'kubeconfig')
  writeFileSync(kubeconfig, JSON.stringify(copy))
  const cluster = connectCluster({ kubeconfig })
  const pods = () => cluster.call({ method: 'GET', path: '/api/v1/namespaces/default/pods' }, wait())
  try {
    give({ token: 'run-out' })
    expect(await pods()).toMatchObject({ ok: false, reason: { code: 'cluster_forbidden' } })
    give(right)
    expect(await pods()).toMatchObject({ ok: true, value: { status: 200 } })
    expect((await clusterVersion(cluster, wait())).ok).toBe(true)
  } finally {
    cluster.close()
  }
})
