import { execFileSync, spawnSync } from 'node:child_process'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, test } from 'vitest'

test('what the program prints of a file turns no terminal, and as JSON is the same value', () => {
  const folder = mkdtempSync(join(tmpdir(), 'taxiway-inert-'))
  try {
    execFileSync('git', ['init', '-q', folder])
    writeFileSync(join(folder, 'Dockerfile'), 'FROM scratch\n')
    const test = { image: 'web', run: ['echo $V'], matrix: { V: ['a\u202eb'] } }
    writeFileSync(
      join(folder, '.taxiway.yaml'),
      JSON.stringify({ version: 1, images: { web: {} }, test: { unit: test } }),
    )
    const lint = (...more: string[]) =>
      spawnSync(process.execPath, [
        join(import.meta.dirname, 'main.ts'),
        'lint',
        ...more,
        join(folder, '.taxiway.yaml'),
      ])
    for (const { stdout, stderr } of [lint(), lint('--json')]) {
      const printed = `${stdout}${stderr}`
      expect(printed).toMatch(/a\\u202eb/)
      expect(printed).not.toContain('\u202e')
    }
    expect(JSON.stringify(JSON.parse(lint('--json').stdout.toString()))).toContain('a\u202eb')
  } finally {
    rmSync(folder, { recursive: true, force: true })
  }
})
