import { oneLine } from '@taxiway/domain/reason.ts'
import type { RunTest } from '@taxiway/domain/run/parts.ts'
import sax, { type Tag } from 'sax'

/** What JUnit reports say. */
export type Report = Required<Pick<RunTest, 'counts' | 'failures'>>

/** Longer names and messages are cut. */
const nameLength = 200
const messageLength = 300
const stackLength = 800
/** Elements within elements: a report has five or so. */
const mostDepth = 50

/** What tools write of a case that did not run: GoogleTest, CTest, NUnit and others. */
const notRun = /^(not_?run|disabled|skipped|ignored|suppressed|pending|inconclusive)$/i
const failedStatus = /^(fail|failed|failure|error)$/i
/** What is not XML to the letter, and what many tools write: the text is taken as it stands. */
const forgivable = /^(Invalid character entity|Invalid character in entity name|Unescaped '<' not allowed)/

interface Case {
  name: string
  file: string
  line: number
  isFailed: boolean
  isSkipped: boolean
  /** Of a suite as a whole. */
  isOfSuite?: boolean
  message: string
  text: string
}

/**
 * Adds up JUnit XML. Only entities that stand for one character are known, so nothing is expanded or fetched.
 * @param mostFailures that are told by name; all are counted
 */
export function makeReport(mostFailures: number) {
  const report: Report = { counts: { total: 0, failed: 0, skipped: 0 }, failures: [] }
  const add = (one: Case) => {
    report.counts.total += 1
    if (one.isFailed) report.counts.failed += 1
    else if (one.isSkipped) report.counts.skipped += 1
    if (!one.isFailed || report.failures.length >= mostFailures) return
    const stack = one.message ? one.text.replaceAll(/\p{Cc}+/gu, (all) => (all.includes('\n') ? '\n' : ' ')).trim() : ''
    report.failures.push({
      name: oneLine(one.name, nameLength) || 'without a name',
      message: oneLine(one.message || one.text, messageLength),
      ...(one.file ? { file: oneLine(one.file, nameLength) } : {}),
      ...(one.line > 0 ? { line: one.line } : {}),
      ...(stack ? { stack } : {}),
    })
  }
  return {
    /** One file, read in pieces. */
    file: () => readFile(add),
    report: (): Report => report,
  }
}

/** A suite while it is read: what it says of itself, and what its cases said. */
interface Suite {
  name: string
  declared: number
  failed: number
}

/** @returns how to write pieces of a file, and how to end it; both throw when it is not XML */
function readFile(add: (one: Case) => void): { write(text: string): void; end(): void } {
  const xml = sax.parser(true)
  let depth = 0
  let isReport = false
  const suites: Suite[] = []
  let current: Case | undefined
  let inFailure = false
  const finish = (one: Case) => {
    if (one.isFailed) for (const suite of suites) suite.failed += 1
    add(one)
  }
  xml.onerror = (error) => {
    const [words = ''] = error.message.split('\n')
    // A named entity may come from a document type: it is refused, not forgiven.
    const isNumber = (xml as unknown as { entity?: string }).entity?.startsWith('#') === true
    if (!forgivable.test(words) || (words.startsWith('Invalid character entity') && !isNumber))
      throw new Error(oneLine(words, 200))
    xml.error = null as unknown as Error
  }
  xml.onopentag = (tag) => {
    depth += 1
    if (depth > mostDepth) throw new Error('it is nested too deeply')
    const attribute = (name: string) => plain(String((tag as Tag).attributes[name] ?? ''))
    if (tag.name === 'testsuites' || tag.name === 'testsuite') isReport = true
    if (tag.name === 'testsuite') {
      const declared = (Number(attribute('errors')) || 0) + (Number(attribute('failures')) || 0)
      suites.push({ name: attribute('name'), declared, failed: 0 })
    }
    if (tag.name === 'testcase') {
      const name = [attribute('classname'), attribute('name')].filter(Boolean).join(': ')
      const states = [attribute('status'), attribute('result')]
      current = {
        ...emptyCase(name),
        file: attribute('file'),
        line: Math.floor(Number(attribute('line'))) || 0,
        isFailed: states.some((state) => failedStatus.test(state)),
        isSkipped: states.some((state) => notRun.test(state)),
      }
    }
    if (tag.name === 'skipped' && current) current.isSkipped = true
    if (tag.name !== 'failure' && tag.name !== 'error') return
    // One that stands in no case is of the suite, which could not even begin.
    const suite = suites.at(-1)
    if (!current && !suite) return
    current ??= { ...emptyCase(suite?.name ?? ''), isOfSuite: true }
    current.isFailed = true
    current.message ||= attribute('message')
    inFailure = true
  }
  const onText = (text: string) => {
    if (current && inFailure && current.text.length < stackLength)
      current.text = plain(current.text + text).slice(0, stackLength)
  }
  xml.ontext = onText
  xml.oncdata = onText
  xml.onclosetag = (name) => {
    depth -= 1
    const isFailure = name === 'failure' || name === 'error'
    if (isFailure) inFailure = false
    if (name === 'testsuite') {
      const suite = suites.pop()
      if (suite && suite.declared > 0 && suite.failed === 0)
        finish({
          ...emptyCase(suite.name),
          isFailed: true,
          message: `${suite.declared} failed, and no case tells of it`,
        })
    }
    const isOfSuite = isFailure && current?.isOfSuite
    if (!current || (name !== 'testcase' && !isOfSuite)) return
    finish(current)
    current = undefined
  }
  return {
    write: (text) => void xml.write(text),
    end() {
      xml.close()
      if (!isReport) throw new Error('it has no testsuite')
    },
  }
}

const emptyCase = (name: string): Case => ({
  name,
  file: '',
  line: 0,
  isFailed: false,
  isSkipped: false,
  message: '',
  text: '',
})

/** Characters that XML has no way to write are what tools meant by their numbers: colours, which are left out later. */
const plain = (text: string): string =>
  text.replaceAll(/&#(x[0-9a-f]{1,6}|\d{1,7});/gi, (_, number: string) => {
    const code = Number(/^x/i.test(number) ? `0${number}` : number)
    return code > 0 && code <= 0x10ffff ? String.fromCodePoint(code) : ''
  })
