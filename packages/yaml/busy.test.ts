import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { isRetryable } from '@taxiway/domain/fault.ts'
import { refuse } from '@taxiway/domain/reason.ts'
import { expect, test } from 'vitest'
import { parseYaml } from './parse.ts'

test('a machine that gives the thread no time is what is told, and the next file is read all the same', async () => {
  const options = { refusal: (detail: string) => refuse('config_invalid', { detail }), documents: 'one' as const }
  const read = await parseYaml(`[${'a,'.repeat(100_000)}]`, { ...options, patienceMs: 5 })
  expect(read).toMatchObject({ ok: false, reason: { code: 'machine_busy' } })
  expect(isRetryable('machine_busy')).toBe(true)
  expect(await parseYaml('a: 1', options)).toMatchObject({ ok: true })
})

/** Reads a valid file of 256 KB, and stands still in the middle of it until somebody sends SIGCONT. */
const reader = `
  import { parseYaml } from ${JSON.stringify(new URL('./parse.ts', import.meta.url).href)}
  const options = { refusal: (detail) => ({ ok: false, reason: { message: detail } }), documents: 'one' }
  await parseYaml('a: 1', options)
  setTimeout(() => process.kill(process.pid, 'SIGSTOP'), 10)
  const read = await parseYaml(Array.from({ length: 24_000 }, (_, i) => 'k' + i + ': 1').join('\\n'), options)
  console.log(read.ok ? 'valid' : read.reason.message)
`

test('a process that stood still for two seconds still finds a valid file valid', async () => {
  const child = spawn(process.execPath, ['--input-type=module', '-e', reader], { stdio: ['ignore', 'pipe', 'inherit'] })
  let text = ''
  child.stdout.on('data', (chunk) => {
    text += chunk
  })
  const on = setInterval(() => child.kill('SIGCONT'), 2000)
  await once(child, 'close')
  clearInterval(on)
  expect(text).toBe('valid\n')
})
