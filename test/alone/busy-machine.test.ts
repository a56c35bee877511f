import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { availableParallelism } from 'node:os'
import { afterEach, expect, test } from 'vitest'

/** Reads a valid file of 256 KB, warm. */
const reader = `
  import { parseYaml } from ${JSON.stringify(new URL('../../packages/yaml/parse.ts', import.meta.url).href)}
  const options = { refusal: (detail) => ({ ok: false, reason: { message: detail } }), documents: 'one' }
  await parseYaml('a: 1', options)
  const read = await parseYaml(Array.from({ length: 24_000 }, (_, i) => 'k' + i + ': 1').join('\\n'), options)
  console.log(read.ok ? 'valid' : read.reason.message)
`
const children: ChildProcess[] = []
afterEach(() => {
  for (const child of children.splice(0)) child.kill('SIGKILL')
})

test('a busy machine makes no valid pipeline file invalid', async () => {
  for (let left = 6 * availableParallelism(); left > 0; left--)
    children.push(spawn(process.execPath, ['-e', 'for (;;);'], { stdio: 'ignore' }))
  const child = spawn(process.execPath, ['--input-type=module', '-e', reader], { stdio: ['ignore', 'pipe', 'inherit'] })
  children.push(child)
  let text = ''
  child.stdout.on('data', (chunk) => {
    text += chunk
  })
  await once(child, 'close')
  expect(text).toBe('valid\n')
})
