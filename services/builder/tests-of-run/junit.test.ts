import { expect, test } from 'vitest'
import { makeReport } from './junit.ts'
import { decoderOf } from './reports.ts'

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
        { name: 'cart: removes', message: 'expected 1 & got 2', stack: 'at cart.js:5' },
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

test('characters that XML does not have, and what is not XML to the letter, cost no report', () => {
  const coloured = '<failure message="&#27;[31mexpected&#x1b;[0m &eacute; a & b">red</failure>'
  const text = `<testsuite name="a"><testcase name="x" file="src/a.ts" line="7">${coloured}</testcase><testcase name="y"/></testsuite>`
  for (const size of [1, 9, 1000])
    expect(read([text], { size })).toEqual({
      counts: { total: 2, failed: 1, skipped: 0 },
      failures: [{ name: 'x', message: 'expected é a & b', file: 'src/a.ts', line: 7, stack: 'red' }],
    })
})

test('a suite that could not run is a failure by its name, with or without words', () => {
  const text = `<testsuites errors="2"><testsuite name="a" tests="2" failures="0"><testcase name="x"/><testcase name="y"/></testsuite>
<testsuite name="b.test.js" tests="0" errors="1"><error message="Cannot find module ./b">stack</error></testsuite>
<testsuite name="c.test.js" tests="0" errors="1"/></testsuites>`
  expect(read([text])).toEqual({
    counts: { total: 4, failed: 2, skipped: 0 },
    failures: [
      { name: 'b.test.js', message: 'Cannot find module ./b', stack: 'stack' },
      { name: 'c.test.js', message: '1 failed, and no case tells of it' },
    ],
  })
})

test('cases that were not run are left out, however they are told', () => {
  const cases = [
    'status="notrun"',
    'status="disabled"',
    'result="suppressed"',
    'status="run" result="completed"',
    'status="failed"',
  ]
  const text = `<testsuite>${cases.map((words) => `<testcase name="x" ${words}/>`).join('')}</testsuite>`
  expect(read([text]).counts).toEqual({ total: 5, failed: 1, skipped: 3 })
})

test('a file is read in its own encoding', () => {
  const text = (encoding: string) => `<?xml version="1.0" encoding="${encoding}"?><a name="n\u00e9"/>`
  const utf16 = Buffer.from(`\ufeff${text('utf-16')}`, 'utf16le')
  const files: [Buffer, string][] = [
    [utf16, 'utf-16'],
    [Buffer.from(utf16).swap16(), 'utf-16'],
    [utf16.subarray(2), 'utf-16'],
    [Buffer.from(text('utf-8')), 'utf-8'],
    [Buffer.from(text('utf-16')), 'utf-16'],
    [Buffer.from(text('ISO-8859-1'), 'latin1'), 'ISO-8859-1'],
    [Buffer.from(text('no-such')), 'no-such'],
  ]
  for (const [bytes, encoding] of files) expect(decoderOf(bytes).decode(bytes)).toBe(text(encoding))
})
