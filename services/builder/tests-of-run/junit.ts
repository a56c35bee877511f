import { oneLine } from '@taxiway/domain/reason.ts'
import type { RunTest } from '@taxiway/domain/run/parts.ts'
import sax, { type Tag } from 'sax'

/** What JUnit reports say. */
export type Report = Required<Pick<RunTest, 'counts' | 'failures'>>

/** Longer names and messages are cut. */
const nameLength = 200
const messageLength = 300
/** Elements within elements: a report has five or so. */
const mostDepth = 50

interface Case {
  name: string
  isFailed: boolean
  isSkipped: boolean
  message: string
  text: string
}

/**
 * Adds up JUnit XML. Only the five entities of XML itself are known, so nothing is expanded or fetched.
 * @param mostFailures that are told by name; all are counted
 */
export function makeReport(mostFailures: number) {
  const report: Report = { counts: { total: 0, failed: 0, skipped: 0 }, failures: [] }
  const add = (one: Case) => {
    report.counts.total += 1
    if (one.isFailed) report.counts.failed += 1
    else if (one.isSkipped) report.counts.skipped += 1
    if (!one.isFailed || report.failures.length >= mostFailures) return
    report.failures.push({
      name: oneLine(one.name, nameLength) || 'without a name',
      message: oneLine(one.message || one.text, messageLength),
    })
  }
  return {
    /** One file, read in pieces. */
    file: () => readFile(add),
    report: (): Report => report,
  }
}

/** @returns how to write pieces of a file, and how to end it; both throw when it is not XML */
function readFile(add: (one: Case) => void): { write(text: string): void; end(): void } {
  const xml = sax.parser(true)
  let depth = 0
  let isReport = false
  let current: Case | undefined
  let inFailure = false
  xml.onerror = (error) => {
    throw new Error(oneLine(error.message.split('\n')[0] ?? '', 200))
  }
  xml.onopentag = (tag) => {
    depth += 1
    if (depth > mostDepth) throw new Error('it is nested too deeply')
    const attribute = (name: string) => String((tag as Tag).attributes[name] ?? '')
    if (tag.name === 'testsuites' || tag.name === 'testsuite') isReport = true
    if (tag.name === 'testcase') {
      const name = [attribute('classname'), attribute('name')].filter(Boolean).join(': ')
      current = { name, isFailed: false, isSkipped: false, message: '', text: '' }
    }
    if (!current) return
    if (tag.name === 'skipped') current.isSkipped = true
    if (tag.name !== 'failure' && tag.name !== 'error') return
    current.isFailed = true
    current.message ||= attribute('message')
    inFailure = true
  }
  const onText = (text: string) => {
    if (current && inFailure && current.text.length < messageLength) current.text += text.slice(0, 2 * messageLength)
  }
  xml.ontext = onText
  xml.oncdata = onText
  xml.onclosetag = (name) => {
    depth -= 1
    if (name === 'failure' || name === 'error') inFailure = false
    if (name !== 'testcase' || !current) return
    add(current)
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
