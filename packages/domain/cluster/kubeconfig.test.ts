import { expect, test } from 'vitest'
import { readKubeconfig } from './kubeconfig.ts'

const pem = (what: string) => btoa(`-----BEGIN ${what}-----\nMIIB\n-----END ${what}-----\n`)
const config = (user: object, cluster: object = { server: 'https://10.0.0.1:6443/' }) => ({
  'current-context': 'here',
  contexts: [
    { name: 'here', context: { cluster: 'c', user: 'u', namespace: 'shop' } },
    { name: 'lost', context: { cluster: 'c', user: 'nobody' } },
  ],
  clusters: [{ name: 'c', cluster }],
  users: [
    { name: 'u', user },
    { name: 'other', user: { exec: { command: 'aws' } } },
  ],
})
const message = (value: unknown, context?: string) => {
  const outcome = readKubeconfig(value, context)
  return outcome.ok ? 'taken' : `${outcome.reason.code}: ${outcome.reason.message}`
}

test('only what the chosen context says is taken', () => {
  const authority = pem('CERTIFICATE')
  const cluster = {
    server: 'https://k8s.example.com',
    'certificate-authority-data': authority,
    'tls-server-name': 'k8s',
  }
  expect(readKubeconfig(config({ token: 'abc' }, cluster))).toEqual({
    ok: true,
    value: { server: 'https://k8s.example.com', authority, serverName: 'k8s', credentials: { token: 'abc' } },
  })
  const key = pem('EC PRIVATE KEY')
  const byCertificate = { 'client-certificate-data': authority, 'client-key-data': key }
  expect(readKubeconfig(config(byCertificate))).toEqual({
    ok: true,
    value: { server: 'https://10.0.0.1:6443', credentials: { certificate: authority, key } },
  })
})

test.each([
  ['nothing', null, undefined, 'not a map'],
  ['no such context', config({ token: 'a' }), 'there', 'no context there'],
  ['a context without its user', config({ token: 'a' }), 'lost', 'cluster or user that it has not'],
  ['a program', config({ token: 'a', exec: { command: 'aws' } }), undefined, 'runs a program'],
  ['a file', config({ 'client-certificate': '/etc/passwd', token: 'a' }), undefined, 'names a file'],
  ['no credentials', config({}), undefined, 'neither a token nor'],
  ['two lines as a token', config({ token: 'a\nhost: b' }), undefined, 'not one word'],
  [
    'a certificate that is none',
    config({ 'client-certificate-data': btoa('x'), 'client-key-data': 'x' }),
    undefined,
    'PEM',
  ],
  ['a key nobody knows', config({ token: 'a', 'auth-magic': 'x' }), undefined, 'auth-magic is not known'],
  [
    'a password in the address',
    config({ token: 'a' }, { server: 'https://u:p@10.0.0.1' }),
    undefined,
    'more than host',
  ],
  ['no address', config({ token: 'a' }, {}), undefined, 'https://'],
  ['a proxy', config({ token: 'a' }, { server: 'https://a', 'proxy-url': 'http://b' }), undefined, 'proxy-url'],
])('%s is refused', (_what, value, context, why) => {
  expect(message(value, context)).toMatch(/^kubeconfig_refused/)
  expect(message(value, context)).toContain(why)
})
