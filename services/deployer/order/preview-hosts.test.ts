import { expect, test } from 'vitest'
import { fillHosts } from './preview-hosts.ts'

const ingress = {
  apiVersion: 'networking.k8s.io/v1',
  kind: 'Ingress',
  metadata: { name: 'web-{number}' },
  spec: {
    tls: [{ hosts: ['pr-{number}.example.com'], secretName: 'tls-{number}' }, 'odd'],
    rules: [{ host: 'pr-{number}.example.com', http: { paths: [{ path: '/{number}' }] } }, { http: {} }, null],
  },
}

test('the number goes into the hosts of an Ingress and nowhere else', () => {
  const config = { kind: 'ConfigMap', data: { host: '{number}' }, spec: { rules: [{ host: '{number}' }] } }
  expect(fillHosts([ingress, config, 'text', null], 12)).toEqual([
    {
      ...ingress,
      spec: {
        tls: [{ hosts: ['pr-12.example.com'], secretName: 'tls-{number}' }, 'odd'],
        rules: [{ host: 'pr-12.example.com', http: { paths: [{ path: '/{number}' }] } }, { http: {} }, null],
      },
    },
    config,
    'text',
    null,
  ])
})

test('without a pull request everything stays as it is', () => {
  expect(fillHosts([ingress], undefined)).toEqual([ingress])
})

test('what an Ingress has in the wrong place is left to the rules that refuse it', () => {
  const odd = [
    { kind: 'Ingress', spec: 'x' },
    { kind: 'Ingress', spec: { rules: 'x', tls: [{ hosts: 5 }] } },
  ]
  expect(fillHosts(odd, 12)).toEqual(odd)
})

test('an HTTPRoute has its number too', () => {
  const route = { kind: 'HTTPRoute', spec: { hostnames: ['pr-{number}.example.com', 5] } }
  expect(fillHosts([route], 12)).toEqual([{ kind: 'HTTPRoute', spec: { hostnames: ['pr-12.example.com', 5] } }])
})
