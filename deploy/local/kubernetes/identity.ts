import { generateKeyPairSync, randomBytes } from 'node:crypto'
import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { runProgram } from '../process.ts'

/** The name of the one node. */
export const nodeName = 'taxiway-local'

/** A token per user of the cluster. */
interface ClusterTokens {
  admin: string
  manager: string
  scheduler: string
  kubelet: string
}

/** The files by which the parts of one cluster know each other. */
export interface ClusterIdentity {
  tokens: ClusterTokens
  tokenFile: string
  serviceAccountKey: string
  serviceAccountPublicKey: string
  /** By which the API server shows itself to the kubelet, which lets nobody else in. */
  kubeletClient: { certificate: string; key: string }
}

/** Makes new keys and tokens for a cluster in the folder. */
export async function makeIdentity(folder: string): Promise<ClusterIdentity> {
  mkdirSync(folder, { recursive: true, mode: 0o700 })
  const write = (name: string, content: string | Buffer) => {
    writeFileSync(join(folder, name), content, { mode: 0o600 })
    return join(folder, name)
  }
  const token = () => randomBytes(24).toString('base64url')
  const tokens: ClusterTokens = { admin: token(), manager: token(), scheduler: token(), kubelet: token() }
  const tokenFile = write(
    'tokens.csv',
    [
      `${tokens.admin},admin,admin,"system:masters"`,
      `${tokens.manager},system:kube-controller-manager,manager`,
      `${tokens.scheduler},system:kube-scheduler,scheduler`,
      `${tokens.kubelet},system:node:${nodeName},kubelet,"system:nodes"`,
    ].join('\n'),
  )
  const pair = generateKeyPairSync('rsa', { modulusLength: 2048 })
  const kubeletClient = { certificate: join(folder, 'kubelet-client.crt'), key: join(folder, 'kubelet-client.key') }
  const curve = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes', '-days', '3650']
  const subject = ['-subj', '/O=system:masters/CN=taxiway-apiserver', '-addext', 'extendedKeyUsage=clientAuth']
  await runProgram('openssl', [
    'req',
    '-x509',
    ...curve,
    ...subject,
    '-keyout',
    kubeletClient.key,
    '-out',
    kubeletClient.certificate,
  ])
  return {
    tokens,
    tokenFile,
    serviceAccountKey: write('service-account.key', pair.privateKey.export({ type: 'pkcs1', format: 'pem' })),
    serviceAccountPublicKey: write('service-account.pub', pair.publicKey.export({ type: 'spki', format: 'pem' })),
    kubeletClient,
  }
}
