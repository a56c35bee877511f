import { expect, test } from 'vitest'
import { parseRepositoryUrl } from './repository-url.ts'

const local = 'http://127.0.0.1:3000'
const read = (url: string, apiUrl?: string) =>
  parseRepositoryUrl(url, { allowedOrigins: [local], ...(apiUrl ? { apiUrl } : {}) })

test.each([
  ['https://github.com/acme/shop.git', 'acme/shop', 'https://api.github.com'],
  ['https://github.com/acme/shop', 'acme/shop', 'https://api.github.com'],
  ['https://GitHub.com/acme/shop.git/', 'acme/shop', 'https://api.github.com'],
  ['https://git.example.com:8443/acme/my.shop.git', 'acme/my.shop', 'https://git.example.com:8443/api/v3'],
  ['https://10.example.com/acme/shop.git', 'acme/shop', 'https://10.example.com/api/v3'],
  [`${local}/acme/shop.git`, 'acme/shop', `${local}/api/v3`],
])('%s is %s, with its API at %s', (url, fullName, apiUrl) => {
  expect(read(url)).toMatchObject({ ok: true, value: { fullName, apiUrl } })
})

test('the clone URL is written anew from its parts', () => {
  expect(read('https://GitHub.com:443/acme/shop/')).toMatchObject({
    value: { origin: 'https://github.com', cloneUrl: 'https://github.com/acme/shop.git' },
  })
})

test.each([
  'ext::sh -c touch% /tmp/x',
  'file:///etc/passwd',
  'ssh://git@github.com/acme/shop.git',
  'git@github.com:acme/shop.git',
  'git://github.com/acme/shop.git',
  '--upload-pack=touch /tmp/x',
  'http://github.com/acme/shop.git',
  'http://127.0.0.1:3001/acme/shop.git',
  'https://someone:secret@github.com/acme/shop.git',
  'https://token@github.com/acme/shop.git',
  'https://github.com/acme',
  'https://github.com/acme/shop/tree/main',
  'https://github.com/acme/shop.git?x=1',
  'https://github.com/acme/shop.git#main',
  'https://github.com/acme/..%2fshop',
  'https://github.com/-acme/shop.git',
  'https://github.com/acme/.git',
  'https://github.com\\@evil.example/acme/shop.git',
  'https://github.com/acme/shop.git\n--option',
  'https://localhost/acme/shop.git',
  'https://api.localhost/acme/shop.git',
  'https://2130706433/acme/shop.git',
  'https://0x7f.1/acme/shop.git',
  'https://169.254.169.254/acme/shop.git',
  'https://198.19.0.1/acme/shop.git',
  'https://[::1]/acme/shop.git',
  'https://[::ffff:10.0.0.1]/acme/shop.git',
  '',
])('%s is refused', (url) => {
  expect(read(url)).toMatchObject({ ok: false, reason: { code: 'url_not_allowed' } })
})

test('the address of the API is held to the same rules', () => {
  const url = 'https://git.example.com/acme/shop.git'
  expect(read(url, 'https://api.example.com/v3/')).toMatchObject({ value: { apiUrl: 'https://api.example.com/v3' } })
  expect(read(url, `${local}/api/v3`)).toMatchObject({ value: { apiUrl: `${local}/api/v3` } })
  for (const apiUrl of [
    'http://api.example.com',
    'https://me:secret@api.example.com',
    'https://10.0.0.1/api',
    'https://api.example.com/?a=',
    'https://api.example.com/#',
    'file:///api',
  ])
    expect(read(url, apiUrl), apiUrl).toMatchObject({ ok: false, reason: { code: 'url_not_allowed' } })
})

test('credentials in a refused URL are not repeated', () => {
  expect(JSON.stringify(read('https://me:hunter2@github.com/acme/shop.git'))).not.toContain('hunter2')
})
