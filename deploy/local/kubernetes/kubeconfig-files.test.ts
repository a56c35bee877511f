import { mkdirSync, mkdtempSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { delimiter, dirname, join } from 'node:path'
import { expect, test } from 'vitest'
import { readKubeconfigFiles } from './kubeconfig-files.ts'

const folder = mkdtempSync(join(tmpdir(), 'taxiway-kubeconfig-'))

function file(name: string, text: string): string {
  const path = join(folder, name)
  mkdirSync(dirname(path), { recursive: true })
  writeFileSync(path, text)
  return path
}
const readAll = (...paths: string[]) => readKubeconfigFiles({ KUBECONFIG: paths.join(delimiter) }, folder)

const one = `
apiVersion: v1
kind: Config
current-context: one
contexts:
  - name: one
    context: { cluster: one, user: one }
clusters:
  - cluster:
      server: https://127.0.0.1:1001
    name: one
users:
  - name: one
    user: { token: a }
`

test.each([
  ['block style', one],
  [
    'flow style',
    '{current-context: one, contexts: [{name: one, context: {cluster: one, user: one}}], clusters: [{cluster: {server: https://127.0.0.1:1001}, name: one}], users: [{name: one, user: {token: a}}]}',
  ],
  [
    'JSON',
    '{"current-context":"one","contexts":[{"name":"one","context":{"cluster":"one"}}],"clusters":[{"name":"one","cluster":{"server":"https://127.0.0.1:1001"}}]}',
  ],
  [
    'anchors and comments',
    one.replace('server: https', '# not: server\n      server: &here https').replace('name: one', 'name: "one" # so'),
  ],
])('the server of the current context is found in %s', (_, text) => {
  expect(readAll(file('style', text))).toMatchObject({
    server: 'https://127.0.0.1:1001',
    files: [join(folder, 'style')],
  })
})

test('of several files the first that has a name wins, and the first that sets a current context', () => {
  const first = file('first', 'clusters: [{ name: one, cluster: { server: https://127.0.0.1:2001 } }]')
  const second = file('second', one)
  const third = file('third', one.replaceAll('1001', '3001').replace('current-context: one', 'current-context: other'))
  const found = readAll(join(folder, 'missing'), first, second, third)
  expect(found).toMatchObject({ server: 'https://127.0.0.1:2001', files: [first, second, third] })
  expect(found?.config).toMatchObject({
    'current-context': 'one',
    clusters: [{ name: 'one', cluster: { server: 'https://127.0.0.1:2001' } }],
    users: [{ name: 'one', user: { token: 'a' } }],
    contexts: [{ name: 'one', context: { cluster: 'one', user: 'one' } }],
  })
})

test('files that a kubeconfig names stand beside it, also once several are one', () => {
  const text = one
    .replace('server:', 'certificate-authority: ca.crt\n      server:')
    .replace('token: a', 'tokenFile: /run/token, client-key: ../key.pem')
  const found = readAll(file('deep/config', text), file('other', one))
  expect(found?.config).toMatchObject({
    clusters: [{ cluster: { 'certificate-authority': join(folder, 'deep/ca.crt') } }],
    users: [{ user: { tokenFile: '/run/token', 'client-key': join(folder, 'key.pem') } }],
  })
})

test('without KUBECONFIG it is the file at home, if there is one', () => {
  const home = mkdtempSync(join(tmpdir(), 'taxiway-home-'))
  expect(readKubeconfigFiles({}, home)).toBeUndefined()
  mkdirSync(join(home, '.kube'))
  writeFileSync(join(home, '.kube/config'), one)
  expect(readKubeconfigFiles({ KUBECONFIG: '' }, home)).toMatchObject({ server: 'https://127.0.0.1:1001' })
  expect(() => readKubeconfigFiles({ KUBECONFIG: join(home, 'none') }, home)).toThrow(
    `${join(home, 'none')}: there is no such file`,
  )
})

test.each([
  ['a: [1', /^\S+\/broken, line 1: .*flow/i],
  ['current-context: one\nclusters:\n  - name: one\n   cluster: {}\n', /^\S+\/broken, line 4: /],
  ['just words', /^\S+\/broken, line 1: it is not a map/],
  ['current-context: one\nclusters: {}\n', /^\S+\/broken, line 2: clusters is not a list/],
  ['current-context: one\nclusters:\n  - 1\n', /^\S+\/broken, line 3: an entry of clusters has no name/],
  [
    'current-context: one\nclusters:\n  - { name: one }\n',
    /^\S+\/broken, line 3: the entry one of clusters has no cluster/,
  ],
  ['current-context: [one]\n', /^\S+\/broken, line 1: current-context is not a name/],
  ['', /^\S+\/broken: it names no current-context/],
  ['current-context: one\n', /^\S+\/broken: it has no context one/],
  [
    one.replace('cluster: one', 'cluster: two'),
    /^\S+\/broken: its context one names the cluster two, which it has not/,
  ],
  [one.replace('https://127.0.0.1:1001', 'nowhere'), /^\S+\/broken: the server of its cluster one is no address/],
  [one.replace('server: ', 'sever: '), /^\S+\/broken: the server of its cluster one is no address/],
])('what cannot be read is said: %j', (text, message) => {
  expect(() => readAll(file('broken', text))).toThrow(message)
})
