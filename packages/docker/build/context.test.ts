import { execFileSync } from 'node:child_process'
import { mkdirSync, mkdtempSync, rmSync, symlinkSync, utimesSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { Readable } from 'node:stream'
import { buffer } from 'node:stream/consumers'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { type BuildContext, packContext } from './context.ts'

let folder = ''
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'context-'))
  put('Dockerfile', 'FROM scratch\n')
})
afterEach(() => rmSync(folder, { recursive: true, force: true }))

function put(path: string, text: string | Buffer): void {
  mkdirSync(dirname(join(folder, path)), { recursive: true })
  writeFileSync(join(folder, path), text)
}
const limits = { maxMb: 1, maxFiles: 50 }
const pack = (more: Partial<Parameters<typeof packContext>[0]> = {}) =>
  packContext({ folder, subfolder: '.', dockerfile: 'Dockerfile', ...limits, ...more })

async function packed(more: Partial<Parameters<typeof packContext>[0]> = {}): Promise<BuildContext> {
  const context = await pack(more)
  if (!context.ok) throw new Error(context.reason.message)
  return context.value
}
const closed = (context: BuildContext) => context.close().then(() => context)
/** Path -> mode and content, or where a link leads. */
async function entries(context: BuildContext): Promise<Record<string, string>> {
  const found: Record<string, string> = {}
  for (const entry of context.entries) {
    const content = entry.kind === 'file' ? await buffer(Readable.from(context.read(entry))) : ''
    found[entry.path] = entry.kind === 'link' ? `-> ${entry.link}` : `${entry.mode.toString(8)} ${content}`
  }
  await context.close()
  return found
}

const dockerfileOf = async (context: BuildContext) =>
  (await buffer(Readable.from(context.read(context.dockerfile)))).toString()

test('what other tools take for a Dockerfile is named where there is none', async () => {
  rmSync(join(folder, 'Dockerfile'))
  put('Containerfile', 'FROM scratch\n')
  const message = 'Dockerfile (there is a Containerfile: name it with dockerfile) is not in the commit.'
  expect(await pack()).toMatchObject({ reason: { code: 'file_not_found', message } })
})

test('links are packed as links and never read through', async () => {
  put('src/a.txt', 'a')
  symlinkSync('/etc/passwd', join(folder, 'passwd'))
  symlinkSync('/etc', join(folder, 'etc'))
  const found = await entries(await packed())
  expect(found).toMatchObject({ passwd: '-> /etc/passwd', etc: '-> /etc', 'src/a.txt': '644 a' })
  expect(Object.keys(found).some((name) => name.startsWith('etc/'))).toBe(false)
})

test('the ignore file is honoured, with exceptions, also for the Dockerfile, which is built all the same', async () => {
  put('.dockerignore', '# all but one\n*\n!src/keep.txt\n')
  put('src/keep.txt', 'k')
  put('src/drop.txt', 'd')
  put('node_modules/x/index.js', 'x')
  const context = await packed()
  expect(await dockerfileOf(context)).toBe('FROM scratch\n')
  expect(Object.keys(await entries(context)).sort()).toEqual(['src', 'src/keep.txt'])
})

test('more patterns are left out, with an ignore file and without', async () => {
  put('.git/config', 'g')
  put('sub/.git', 'gitdir: x')
  put('.gitignore', 'i')
  const without = ['.git', '**/.git']
  const kept = async () => Object.keys(await entries(await packed({ without }))).sort()
  expect(await kept()).toEqual(['.gitignore', 'Dockerfile', 'sub'])
  put('.dockerignore', 'sub\n!.git\n')
  expect(await kept()).toEqual(['.dockerignore', '.gitignore', 'Dockerfile'])
})

test('an ignore file of the Dockerfile goes before the common one', async () => {
  put('.dockerignore', 'a.txt\n')
  put('Dockerfile.dockerignore', 'b.txt\n')
  put('a.txt', 'a')
  put('b.txt', 'b')
  const names = Object.keys(await entries(await packed()))
  expect(names).toContain('a.txt')
  expect(names).not.toContain('b.txt')
})

test('times are those of the files or those that are told, and a folder has the latest of what is in it', async () => {
  put('a/b/c.txt', 'c')
  put('a/d.txt', 'd')
  put('e.txt', 'e')
  symlinkSync('e.txt', join(folder, 'link'))
  for (const [path, seconds] of [
    ['a/b/c.txt', 3],
    ['a/d.txt', 2],
    ['a/b', 9],
    ['a', 9],
    ['e.txt', 5],
    ['Dockerfile', 1],
  ] as const)
    utimesSync(join(folder, path), 1_700_000_000 + seconds, 1_700_000_000 + seconds)
  const timesOf = async (told: Record<string, number>) => {
    const { entries } = await closed(await packed({ timeMsOf: (path) => told[path] }))
    return Object.fromEntries(entries.map(({ path, timeMs }) => [path, timeMs / 1000 - 1_700_000_000]))
  }
  const own = await timesOf({ link: 1_700_000_004_000 })
  expect(own).toEqual({ Dockerfile: 1, a: 3, 'a/b': 3, 'a/b/c.txt': 3, 'a/d.txt': 2, 'e.txt': 5, link: 4 })
  expect(await timesOf({ link: 1_700_000_004_000, 'a/d.txt': 1_700_000_008_000 })).toEqual({
    ...own,
    a: 8,
    'a/d.txt': 8,
  })
})

test('a folder comes before what is in it, and names are in the order of a walk', async () => {
  for (const path of ['a/b', 'a.txt', 'a-c', 'a/a/x', 'é', 'B']) put(path, 'x')
  const { entries } = await closed(await packed())
  expect(entries.map(({ path }) => path)).toEqual(['B', 'Dockerfile', 'a', 'a/a', 'a/a/x', 'a/b', 'a-c', 'a.txt', 'é'])
})

test('a context that is too large or has too many files is refused', async () => {
  put('big.bin', Buffer.alloc(1024 * 1024 + 1))
  expect(await pack()).toMatchObject({ ok: false, reason: { code: 'build_context_too_large' } })
  expect(await pack({ maxMb: 2, maxFiles: 1 })).toMatchObject({
    ok: false,
    reason: { code: 'build_context_too_large' },
  })
})

test.each(['../Dockerfile', '/etc/passwd', 'x/../../y'])(
  'a path out of the repository is refused: %j',
  async (path) => {
    expect(await pack({ dockerfile: path })).toMatchObject({ ok: false, reason: { code: 'path_outside_repo' } })
    expect(await pack({ subfolder: path })).toMatchObject({ ok: false, reason: { code: 'path_outside_repo' } })
  },
)

test('a Dockerfile or folder that is a link is refused and names where it leads', async () => {
  symlinkSync('/etc/shadow', join(folder, 'Linked'))
  symlinkSync('/etc', join(folder, 'out'))
  const refusal = {
    ok: false,
    reason: { code: 'path_outside_repo', message: expect.stringContaining('Linked -> /etc/shadow') },
  }
  expect(await pack({ dockerfile: 'Linked' })).toMatchObject(refusal)
  expect(await pack({ dockerfile: 'out/hostname' })).toMatchObject({ reason: { code: 'path_outside_repo' } })
  expect(await pack({ subfolder: 'out' })).toMatchObject({ reason: { code: 'path_outside_repo' } })
})

test.each(['a\\..\\b', 'nul\0'])('what leads nowhere is not there: %j', async (path) => {
  expect(await pack({ dockerfile: path })).toMatchObject({ reason: { code: 'file_not_found' } })
  expect(await pack({ subfolder: path })).toMatchObject({ reason: { code: 'file_not_found' } })
})

test('a Dockerfile and a folder that are links inside the repository are followed, and told as links', async () => {
  put('docker/web.Dockerfile', 'FROM busybox')
  put('api/a.txt', 'a')
  symlinkSync('../docker/web.Dockerfile', join(folder, 'api/Dockerfile'))
  symlinkSync('./api', join(folder, 'current'))
  const context = await packed({ subfolder: 'current' })
  expect(await dockerfileOf(context)).toBe('FROM busybox')
  expect(await entries(context)).toEqual({ Dockerfile: '-> ../docker/web.Dockerfile', 'a.txt': '644 a' })
  symlinkSync('loop', join(folder, 'loop'))
  expect(await pack({ subfolder: 'loop' })).toMatchObject({ reason: { code: 'file_not_found' } })
  symlinkSync('../../etc', join(folder, 'api/out'))
  expect(await pack({ dockerfile: 'api/out/hostname' })).toMatchObject({ reason: { code: 'path_outside_repo' } })
})

test('the path of a Dockerfile is relative to the context, or else to the repository', async () => {
  put('api/Dockerfile', 'FROM api')
  put('docker/Dockerfile', 'FROM docker')
  const of = async (dockerfile: string) => {
    const context = await packed({ subfolder: 'api', dockerfile })
    return dockerfileOf(context).finally(() => context.close())
  }
  expect(await of('Dockerfile')).toBe('FROM api')
  expect(await of('api/Dockerfile')).toBe('FROM api')
  expect(await of('../docker/Dockerfile')).toBe('FROM docker')
  expect(await pack({ subfolder: 'api', dockerfile: 'web/Dockerfile' })).toMatchObject({
    reason: { code: 'file_not_found', message: 'api/web/Dockerfile is not in the commit.' },
  })
})

test('names with backslashes, and names that are no UTF-8, are names like others', async () => {
  put('units/dev-disk\\x2dby.swap', 'u')
  const latin = Buffer.concat([Buffer.from(`${folder}/caf`), Buffer.from([0xe9])])
  writeFileSync(latin, 'x')
  const found = await entries(await packed())
  expect(found).toMatchObject({ 'units/dev-disk\\x2dby.swap': '644 u', 'caf\udce9': '644 x' })
})

test('a Dockerfile that is not there is named', async () => {
  expect(await pack({ dockerfile: 'web/Dockerfile' })).toMatchObject({ reason: { code: 'file_not_found' } })
})

test('a special file is refused instead of waited for', async () => {
  execFileSync('mkfifo', [join(folder, 'pipe')])
  expect(await pack()).toMatchObject({ ok: false, reason: { code: 'option_not_allowed' } })
  expect(await pack({ dockerfile: 'pipe' })).toMatchObject({ ok: false, reason: { code: 'file_not_found' } })
})

test('names with spaces, line ends and more than a hundred characters survive', async () => {
  const long = `${'long/'.repeat(30)}ü file\n.txt`
  put(long, 'x')
  expect(await entries(await packed())).toMatchObject({ [long]: '644 x' })
})
