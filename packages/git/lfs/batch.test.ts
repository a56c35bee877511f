import { expect, test } from 'vitest'
import { readDownload } from './batch.ts'

const pointer = { file: { path: 'model.bin', mode: '100644', id: 'a' }, oid: 'b'.repeat(64), bytes: 5 }
const at = new URL('https://git.example.com/o/r.git/info/lfs/objects/batch')
const read = (object: unknown) => {
  const told = readDownload(pointer, object, at)
  return told.ok ? { url: told.value.url.href, headers: told.value.headers } : told.reason.code
}
const download = (action: object) => ({ actions: { download: action } })

test('where an object is comes from the host, with the headers that can be sent', () => {
  const header = {
    'X-Key': 'v',
    Authorization: 'RemoteAuth x',
    Host: 'a',
    'Transfer-Encoding': 'chunked',
    'X-Bad': 'a\r\nb: c',
  }
  expect(read(download({ href: 'https://store.example.com/x?s=1', header }))).toEqual({
    url: 'https://store.example.com/x?s=1',
    headers: { 'x-key': 'v', authorization: 'RemoteAuth x' },
  })
})

test('what the host does not have is the author’s fault, what it can not give now is not', () => {
  expect(read({ error: { code: 404, message: 'Object does not exist' } })).toBe('large_file_missing')
  expect(read({ error: { code: 503, message: 'later' } })).toBe('git_unavailable')
  expect(read({ error: { code: 429 } })).toBe('git_unavailable')
  for (const odd of [undefined, null, 'x', {}, download({}), download({ href: 'http://[' }), { actions: [] }])
    expect(read(odd)).toBe('large_file_missing')
})
