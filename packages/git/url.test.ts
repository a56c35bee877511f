import { expect, test } from 'vitest'
import { isPrivateAddress } from './address.ts'
import { checkCloneUrl } from './url.ts'

const publicAddress = '140.82.121.4'
const check = (url: string, addresses: string[] | Error = [publicAddress]) =>
  checkCloneUrl(url, {
    allowedOrigins: ['http://127.0.0.1:3000', 'https://git.corp.example:8443'],
    lookup: async () => {
      if (addresses instanceof Error) throw addresses
      return addresses
    },
  })
const codeOf = async (...args: Parameters<typeof check>) => {
  const checked = await check(...args)
  return checked.ok ? 'ok' : checked.reason.code
}

test.each([
  'http://github.com/o/r.git',
  'http://169.254.169.254/latest/meta-data',
  'https://169.254.169.254/',
  'https://127.1/o/r',
  'https://0x7f000001/o/r',
  'https://2130706433/o/r',
  'https://0177.0.0.1/o/r',
  'https://0/o/r',
  'https://[::1]/o/r',
  'https://[::]/o/r',
  'https://[::ffff:7f00:1]/o/r',
  'https://[::ffff:169.254.169.254]/o/r',
  'https://[64:ff9b::7f00:1]/o/r',
  'https://[fd00::1]/o/r',
  'https://[fe80::1]/o/r',
  'https://①②⑦.⓪.⓪.①/o/r',
  'https://user@github.com/o/r',
  'https://user:secret@github.com/o/r',
  'https://github.com:6379/o/r',
  'https://github.com:22/o/r',
  'https://github.com/o/r?x=1',
  'https://github.com/o/r#x',
  'https:github.com/o/r',
  'https://github.com\\@127.0.0.1/o/r',
  'https://github.com/o/r\nhttp://127.0.0.1/',
  'https://*/o/r',
  'ext::sh -c "touch /tmp/pwn"',
  'file:///etc',
  '/etc',
  'ssh://-oProxyCommand=touch/x',
  'git@-x:o/r',
  'git://github.com/o/r',
  'ftp://github.com/o/r',
  '--upload-pack=touch /tmp/pwn',
  '',
  `https://github.com/${'a'.repeat(3000)}`,
  'http://127.0.0.1:3001/o/r',
  'http://127.0.0.1:3000@github.com/o/r',
])('%s may not be cloned', async (url) => {
  expect(await codeOf(url)).toBe('url_not_allowed')
})
test.each([[['127.0.0.1']], [[publicAddress, '10.0.0.1']], [['::ffff:10.0.0.1']], [['fe80::1%eth0']]])(
  'a name that leads to %j may not be cloned',
  async (addresses) => {
    expect(await codeOf('https://git.example.com/o/r', addresses)).toBe('url_not_allowed')
  },
)
test('a name that leads nowhere is a matter of the network', async () => {
  expect(await codeOf('https://git.example.com/o/r', new Error('ENOTFOUND'))).toBe('git_unavailable')
  expect(await codeOf('https://git.example.com/o/r', [])).toBe('git_unavailable')
})
test('all checked addresses of a public name are pinned', async () => {
  expect(await check('https://GitHub.com/o/r.git', [publicAddress, '2606:50c0:8000::64'])).toEqual({
    ok: true,
    value: {
      url: 'https://github.com/o/r.git',
      origin: 'https://github.com',
      pin: 'github.com:443:140.82.121.4,[2606:50c0:8000::64]',
    },
  })
})
test('an origin of the list may be plain, private and on any port, but has no credentials either', async () => {
  expect(await codeOf('http://127.0.0.1:3000/o/r.git')).toBe('ok')
  expect(await codeOf('https://git.corp.example:8443/o/r.git', ['10.0.0.1'])).toBe('ok')
  expect(await codeOf('http://x:y@127.0.0.1:3000/o/r.git')).toBe('url_not_allowed')
})
test.each(['8.8.8.8', '140.82.121.4', '2606:50c0:8000::64', '172.15.0.1', '172.32.0.1', '100.128.0.1'])(
  '%s is out there',
  (address) => {
    expect(isPrivateAddress(address)).toBe(false)
  },
)
test.each([
  '100.64.0.1',
  '172.31.255.255',
  '224.0.0.1',
  '255.255.255.255',
  '2001:db8::1',
  '2002:7f00:1::',
  'ff02::1',
  'x',
])('%s is not out there', (address) => {
  expect(isPrivateAddress(address)).toBe(true)
})
