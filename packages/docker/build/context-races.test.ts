import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { linkSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Readable } from 'node:stream'
import { text } from 'node:stream/consumers'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { type BuildContext, packContext } from './context.ts'

const canary = 'the-canary-sings'
let folder = ''
let outside = ''
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'context-'))
  outside = mkdtempSync(join(tmpdir(), 'outside-'))
  writeFileSync(join(outside, 'secret'), canary)
  writeFileSync(join(folder, 'Dockerfile'), 'FROM scratch\n')
})
afterEach(() => {
  rmSync(folder, { recursive: true, force: true })
  rmSync(outside, { recursive: true, force: true })
})
const pack = (dockerfile = 'Dockerfile') => packContext({ folder, subfolder: '.', dockerfile, maxMb: 1, maxFiles: 50 })

/** All that its files hold, and where its links lead. */
async function contentOf(context: BuildContext): Promise<string> {
  try {
    let all = await text(Readable.from(context.read(context.dockerfile)))
    for (const entry of context.entries)
      all += entry.kind === 'file' ? await text(Readable.from(context.read(entry))) : ''
    return all || 'nothing'
  } finally {
    await context.close()
  }
}

/** Exchanges what is under a name for a link that leads out, and back, as fast as a process can. */
function swapper(script: string) {
  const child = spawn(process.execPath, ['-e', `const fs = require('fs')\n${script}`], { stdio: 'inherit' })
  return async () => {
    child.kill('SIGKILL')
    await once(child, 'exit')
  }
}

test('a file and a folder that become links while they are packed are never read through', async () => {
  mkdirSync(join(folder, 'src'))
  writeFileSync(join(folder, 'src/secret'), 'harmless')
  writeFileSync(join(folder, 'file'), 'harmless')
  const stop = swapper(`
    const [d, o] = ${JSON.stringify([folder, outside])}
    for (;;) {
      fs.symlinkSync(o + '/secret', d + '/.l'); fs.renameSync(d + '/.l', d + '/file')
      fs.renameSync(d + '/src', d + '/.s'); fs.symlinkSync(o, d + '/src')
      fs.writeFileSync(d + '/.f', 'harmless'); fs.renameSync(d + '/.f', d + '/file')
      fs.unlinkSync(d + '/src'); fs.renameSync(d + '/.s', d + '/src')
    }`)
  let packed = 0
  let refused = 0
  try {
    // Four seconds, and longer on a machine that is too busy for as many tries in that time.
    const isEnough = () => packed > 20 && refused + packed > 100
    for (const until = Date.now() + 4000; Date.now() < until || !isEnough(); ) {
      const context = await pack().catch(() => undefined)
      const content = context?.ok ? await contentOf(context.value).catch(() => undefined) : undefined
      if (content) packed++
      else refused++
      if (content) expect(content.includes(canary)).toBe(false)
    }
  } finally {
    await stop()
  }
  expect(packed).toBeGreaterThan(20)
  expect(refused + packed).toBeGreaterThan(100)
})

test('a Dockerfile that becomes a link between two looks is never read through', async () => {
  const stop = swapper(`
    const [d, o] = ${JSON.stringify([folder, outside])}
    for (;;) {
      fs.symlinkSync(o + '/secret', d + '/.l'); fs.renameSync(d + '/.l', d + '/Dockerfile')
      fs.writeFileSync(d + '/.f', 'FROM scratch'); fs.renameSync(d + '/.f', d + '/Dockerfile')
    }`)
  const seen = new Set<string>()
  try {
    for (const until = Date.now() + 3000; Date.now() < until; ) {
      const context = await pack().catch(() => undefined)
      seen.add(context ? (context.ok ? 'ok' : context.reason.code) : 'threw')
      if (!context?.ok) continue
      const content = await contentOf(context.value).catch(() => undefined)
      expect(content?.includes(canary) ?? false).toBe(false)
    }
  } finally {
    await stop()
  }
  expect([...seen]).toContain('ok')
  expect([...seen]).toContain('path_outside_repo')
})

test('two names of one file, and names that differ in case alone, are files of their own', async () => {
  writeFileSync(join(folder, 'a.txt'), 'a')
  linkSync(join(folder, 'a.txt'), join(folder, 'b.txt'))
  writeFileSync(join(folder, 'A.TXT'), 'A')
  writeFileSync(join(folder, 'line\nbreak'), 'x')
  const context = await pack()
  if (!context.ok) throw new Error(context.reason.message)
  const found: Record<string, string> = {}
  for (const entry of context.value.entries)
    found[entry.path] = `${entry.kind} ${await text(Readable.from(context.value.read(entry)))}`
  await context.value.close()
  expect(found).toEqual({
    Dockerfile: 'file FROM scratch\n',
    'a.txt': 'file a',
    'b.txt': 'file a',
    'A.TXT': 'file A',
    'line\nbreak': 'file x',
  })
})
