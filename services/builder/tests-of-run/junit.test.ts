import { expect, test } from 'vitest'
import { makeReport } from './junit.ts'

/** Reads files, each in pieces of so many characters. */
function read(files: string[], { size = 10_000, most = 50 } = {}) {
  const all = makeReport(most)
  for (const text of files) {
    const file = all.file()
    for (let at = 0; at < text.length; at += size) file.write(text.slice(at, at + size))
    file.end()
  }
  return all.report()
}
const sample = `<?xml version="1.0" encoding="UTF-8"?>
<testsuites tests="5"><testsuite name="cart">
  <testcase classname="cart" name="adds &lt;one&gt;" time="0.1"/>
  <testcase classname="cart" name="removes"><failure message="expected 1 &amp; got 2" type="x">at cart.js:5</failure></testcase>
  <testcase name="pays"><error><![CDATA[TypeError: no <card>
  at pay.js:1]]></error><system-out>words</system-out></testcase>
  <testcase name="ships"><skipped/></testcase>
  <testcase name="returns"><system-err>failure</system-err></testcase>
</testsuite></testsuites>`

test('cases are counted, and failures told with their message', () => {
  for (const size of [1, 7, 10_000])
    expect(read([sample], { size })).toEqual({
      counts: { total: 5, failed: 2, skipped: 1 },
      failures: [
        { name: 'cart: removes', message: 'expected 1 & got 2' },
        { name: 'pays', message: 'TypeError: no <card> at pay.js:1' },
      ],
    })
})

test('several files add up, and only so many failures are told', () => {
  const { counts, failures } = read([sample, sample, '<testsuite/>'], { most: 3 })
  expect(counts).toEqual({ total: 10, failed: 4, skipped: 2 })
  expect(failures).toHaveLength(3)
})

test('names and messages are cut and on one line', () => {
  const { failures } = read([
    `<testsuite><testcase name="${'n'.repeat(1000)}"><failure message="a&#10;b${'m'.repeat(9000)}"/></testcase></testsuite>`,
  ])
  expect(failures[0]?.name).toHaveLength(200)
  expect(failures[0]?.message).toMatch(/^a b?m+…$/)
  expect(failures[0]?.message).toHaveLength(300)
})

const lol = Array.from({ length: 9 }, (_, index) => `<!ENTITY a${index + 1} "${`&a${index};`.repeat(10)}">`).join('')
test.each([
  ['entities that grow', `<!DOCTYPE x [<!ENTITY a0 "lol">${lol}]><testsuite><testcase name="&a9;"/></testsuite>`],
  [
    'an entity from a file',
    '<!DOCTYPE x [<!ENTITY f SYSTEM "file:///etc/passwd">]><testsuite><testcase name="&f;"/></testsuite>',
  ],
  ['elements without an end', '<testsuite>'.repeat(100_000)],
  ['half of a report', sample.slice(0, 300)],
  ['no XML', 'ok 1 - works\n'],
  ['another XML', '<html></html>'],
  ['nothing', ''],
  ['a huge attribute', `<testsuite><testcase name="${'x'.repeat(200_000)}"/></testsuite>`],
])('%s is refused', (_what, text) => {
  const startedMs = performance.now()
  expect(() => read([text], { size: 1000 })).toThrow()
  expect(performance.now() - startedMs).toBeLessThan(2000)
})
