import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { availableParallelism } from 'node:os'
import { isRetryable, refuse } from '@taxiway/domain/reason.ts'
import { afterEach, expect, test } from 'vitest'
import { parseYaml } from './parse.ts'

const children: ChildProcess[] = []
const start = (code: string, ...args: string[]): ChildProcess & { text: () => string } => {
  const child = spawn(process.execPath, [...args, '-e', code], { stdio: ['ignore', 'pipe', 'inherit'] })
  let text = ''
  child.stdout.on('data', (chunk) => {
    text += chunk
  })
  children.push(child)
  return Object.assign(child, { text: () => text })
}
afterEach(() => {
  for (const child of children.splice(0)) child.kill('SIGKILL')
})

/** Reads a valid file of 256 KB, and stands still in the middle of it for as long as nobody sends SIGCONT. */
const reader = (stop: boolean) => `
  import { parseYaml } from ${JSON.stringify(new URL('./parse.ts', import.meta.url).href)}
  const options = { refusal: (detail) => ({ ok: false, reason: { message: detail } }), documents: 'one' }
  await parseYaml('a: 1', options)
  const file = Array.from({ length: 24_000 }, (_, i) => 'k' + i + ': 1').join('\\n')
  ${stop ? "setTimeout(() => process.kill(process.pid, 'SIGSTOP'), 10)" : ''}
  const read = await parseYaml(file, options)
  console.log(read.ok ? 'valid' : read.reason.message)
`

test('a machine that gives the thread no time is what is told, and the next file is read all the same', async () => {
  const options = { refusal: (detail: string) => refuse('config_invalid', { detail }), documents: 'one' as const }
  const read = await parseYaml(`[${'a,'.repeat(100_000)}]`, { ...options, patienceMs: 5 })
  expect(read).toMatchObject({ ok: false, reason: { code: 'machine_busy' } })
  expect(isRetryable('machine_busy')).toBe(true)
  expect(await parseYaml('a: 1', options)).toMatchObject({ ok: true })
})

test('a process that stood still for two seconds still finds a valid file valid', async () => {
  const child = start(reader(true), '--input-type=module')
  const on = setInterval(() => child.kill('SIGCONT'), 2000)
  await once(child, 'close')
  clearInterval(on)
  expect(child.text()).toBe('valid\n')
})

test('a busy machine makes no valid file invalid', async () => {
  for (let left = 6 * availableParallelism(); left > 0; left--) start('for (;;);')
  const child = start(reader(false), '--input-type=module')
  await once(child, 'close')
  expect(child.text()).toBe('valid\n')
}, 120_000)
