import { expect, test } from 'vitest'
import { makeStageLog } from './stage-log.ts'

function logOf(secrets: string[] = [], keepBytes = 100_000) {
  let text = ''
  const append = async (more: string) => {
    text += more
  }
  const log = makeStageLog({ append, secrets, keepBytes, tailBytes: 2000 })
  return { log, text: () => text }
}

test('parts written at the same time keep their lines whole, each behind its name', async () => {
  const { log, text } = logOf()
  const [unit, lint] = [log.part('unit | '), log.part('lint | ')]
  log.say('two tests')
  unit.write('one ')
  lint.write(Buffer.from('a\nb'))
  unit.write('two\nthree')
  expect(unit.lastLines(1)).toEqual(['three'])
  lint.say('c')
  await unit.end()
  await lint.end()
  await log.end()
  expect(text()).toBe('two tests\nlint | a\nunit | one two\nlint | bc\nunit | three\n')
})

test('a secret is hidden though another part writes in the middle of it', async () => {
  const { log, text } = logOf(['very-secret-value'])
  const [unit, lint] = [log.part('unit | '), log.part('lint | ')]
  unit.write('x very-sec')
  lint.write('words\n')
  unit.write('ret-value y\n')
  await unit.end()
  await lint.end()
  await log.end()
  expect(text()).toBe('lint | words\nunit | x *** y\n')
})

test('beyond what is kept, the last lines of each part are still told apart', async () => {
  const { log, text } = logOf([], 50)
  const [unit, lint] = [log.part('unit | '), log.part('lint | ')]
  for (let index = 0; index < 20; index++) {
    unit.write(`line ${index}\nhalf`)
    lint.write(`other ${index}\n`)
    unit.write(` of it\n`)
  }
  unit.write(`${'x'.repeat(20_000)}\n`)
  unit.write('last words')
  expect(unit.lastLines(1)).toEqual(['last words'])
  expect(lint.lastLines(1)).toEqual(['other 19'])
  await unit.end()
  await log.end()
  const lines = text().trimEnd().split('\n')
  expect(
    lines.filter((line) => !/^(unit \| |lint \| |\[log truncated)/.test(line)).map((line) => line.slice(0, 20)),
  ).toEqual([])
  expect(lines.at(-1)).toBe('unit | last words')
})
