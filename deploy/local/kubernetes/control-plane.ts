import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { findProgram, freePort, startDaemon, waitUntil } from '../process.ts'
import type { ClusterIdentity } from './identity.ts'
import { askCluster, type ClusterAccess, writeKubeconfig } from './kubeconfig.ts'
import type { ClusterPlace } from './runtime.ts'
import type { Version } from './versions.ts'

interface Place extends ClusterPlace {
  version: Version
  identity: ClusterIdentity
  /** The machine's address towards the pods. */
  nodeAddress: string
}

/** etcd on loopback. It doesn't wait for the disk, as its state lives no longer than the cluster. */
async function startEtcd(place: Place): Promise<string> {
  const client = `http://127.0.0.1:${await freePort()}`
  const peer = `http://127.0.0.1:${await freePort()}`
  const listen = ['--listen-client-urls', client, '--advertise-client-urls', client, '--listen-peer-urls', peer]
  const self = ['--name', 'local', '--initial-advertise-peer-urls', peer, '--initial-cluster', `local=${peer}`]
  const args = [...listen, ...self, '--data-dir', join(place.state, 'etcd'), '--unsafe-no-fsync', '--logger', 'zap']
  const daemon = await startDaemon({ name: 'etcd', command: findProgram('etcd') ?? 'etcd', args, folder: place.logs })
  place.started(daemon)
  await waitUntil(
    'etcd',
    30,
    async () => (await fetch(`${client}/health`, { signal: AbortSignal.timeout(2000) })).ok,
    daemon,
  )
  return client
}

/** The API server on loopback, with a certificate it makes itself; its authority is what the kubeconfigs trust. */
async function startApiServer(place: Place, etcd: string): Promise<ClusterAccess> {
  const { identity } = place
  const port = await freePort()
  const certificates = join(place.state, 'apiserver')
  const args = [
    `--etcd-servers=${etcd}`,
    '--bind-address=127.0.0.1',
    `--secure-port=${port}`,
    ...(place.version === '1.20' ? ['--insecure-port=0'] : []),
    `--cert-dir=${certificates}`,
    `--advertise-address=${place.nodeAddress}`,
    '--service-cluster-ip-range=10.96.0.0/24',
    '--allow-privileged=true',
    '--authorization-mode=Node,RBAC',
    '--enable-admission-plugins=NodeRestriction',
    '--anonymous-auth=false',
    `--token-auth-file=${identity.tokenFile}`,
    '--service-account-issuer=https://kubernetes.default.svc',
    `--service-account-signing-key-file=${identity.serviceAccountKey}`,
    `--service-account-key-file=${identity.serviceAccountPublicKey}`,
    `--kubelet-client-certificate=${identity.kubeletClient.certificate}`,
    `--kubelet-client-key=${identity.kubeletClient.key}`,
    '--kubelet-preferred-address-types=InternalIP',
  ]
  const daemon = await startDaemon({
    name: 'kube-apiserver',
    command: join(place.bin, 'kube-apiserver'),
    args,
    folder: place.logs,
  })
  place.started(daemon)
  const server = `https://127.0.0.1:${port}`
  const access = (): ClusterAccess => ({
    server,
    authority: readFileSync(join(certificates, 'apiserver.crt'), 'utf8'),
    token: identity.tokens.admin,
  })
  await waitUntil(
    'Kubernetes API',
    90,
    async () => (await askCluster(server, '/readyz', access())).status === 200,
    daemon,
  )
  return access()
}

/** Many releases at once shall wait for the machine, not for a count of questions a second. */
const fast = ['--kube-api-qps=300', '--kube-api-burst=600']

/** The controllers and the scheduler, each with its own user. */
async function startControllers(place: Place, access: ClusterAccess): Promise<void> {
  const { identity, state } = place
  const noOldPort = place.version === '1.20' ? ['--port=0'] : []
  const quiet = ['--leader-elect=false', '--bind-address=127.0.0.1', ...noOldPort, ...fast]
  const key = `--service-account-private-key-file=${identity.serviceAccountKey}`
  const manager = [
    '--use-service-account-credentials=true',
    key,
    `--root-ca-file=${join(state, 'apiserver', 'apiserver.crt')}`,
    '--horizontal-pod-autoscaler-sync-period=2s',
    '--pvclaimbinder-sync-period=2s',
    '--concurrent-namespace-syncs=20',
  ]
  for (const [name, token, more] of [
    ['kube-controller-manager', identity.tokens.manager, manager],
    ['kube-scheduler', identity.tokens.scheduler, []],
  ] as const) {
    const kubeconfig = join(state, `${name}.kubeconfig`)
    writeKubeconfig(kubeconfig, { ...access, token })
    const args = [`--kubeconfig=${kubeconfig}`, ...quiet, `--secure-port=${await freePort()}`, ...more]
    place.started(await startDaemon({ name, command: join(place.bin, name), args, folder: place.logs }))
  }
}

/** Starts etcd, the API server, the controllers and the scheduler. Resolves to the administrator's access. */
export async function startControlPlane(place: Place): Promise<ClusterAccess> {
  const access = await startApiServer(place, await startEtcd(place))
  await startControllers(place, access)
  return access
}
