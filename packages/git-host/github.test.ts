import examples from '@octokit/webhooks-examples' with { type: 'json' }
import fc from 'fast-check'
import { expect, test } from 'vitest'
import { github, guessRepositories } from './github.ts'
import { hosts } from './hosts.ts'

// Payloads as GitHub sent them, from the package @octokit/webhooks-examples.
const recorded = examples as unknown as { name: string; examples: Record<string, any>[] }[]
const pushes = recorded.find(({ name }) => name === 'push')?.examples ?? []
const bytes = (payload: unknown) => Buffer.from(JSON.stringify(payload))
const parse = (payload: unknown) => github.parse('push', bytes(payload))
const branchPush = pushes.find(({ ref }) => ref === 'refs/heads/master') as Record<string, any>
const changed = (change: (payload: any) => void) => {
  const payload = structuredClone(branchPush)
  change(payload)
  return parse(payload)
}
const codeOf = (outcome: ReturnType<typeof parse>) => (outcome.ok ? 'ok' : outcome.reason.code)
const sender = { id: 21031067, login: 'Codertocat' }

test('a new branch, as GitHub tells it', () => {
  expect(parse(branchPush)).toEqual({
    ok: true,
    value: {
      kind: 'push',
      repository: 'Codertocat/Hello-World',
      repositoryId: branchPush.repository.id,
      defaultBranch: 'master',
      ref: 'refs/heads/master',
      branch: 'master',
      sha: '6113728f27ae82c7b1a177c8d03f9e96e0adf246',
      deleted: false,
      tag: false,
      message: 'Initial commit',
      author: 'Codertocat',
      sender,
      compareUrl: branchPush.compare,
    },
  })
})

test('a tag that is made has a commit, one that is deleted has what it was', () => {
  const tags = pushes.filter(({ ref }) => ref === 'refs/tags/simple-tag')
  const made = tags.filter(({ deleted }) => !deleted)
  const gone = tags.filter(({ deleted }) => deleted)
  expect([made.length, gone.length]).toEqual([1, 4])
  for (const payload of made)
    expect(parse(payload)).toMatchObject({ value: { tag: true, deleted: false, sha: payload.after, sender } })
  for (const payload of gone) {
    const read = parse(payload)
    expect(read).toMatchObject({ value: { tag: true, deleted: true, before: payload.before, message: '' } })
    expect(read).not.toHaveProperty('value.sha')
    expect(read).not.toHaveProperty('value.branch')
  }
})

/** What becomes of a recorded event. */
function expectedOf(name: string, action: string | undefined): object {
  if (name === 'push' || name === 'ping') return { kind: name }
  if (name === 'pull_request' && action === 'closed') return { kind: 'pull_request_closed' }
  if (name === 'pull_request' && ['opened', 'synchronize', 'reopened'].includes(action ?? '')) return { kind: name }
  if (name === 'merge_group' && action === 'checks_requested') return { kind: 'push' }
  if (name === 'repository' && ['renamed', 'transferred'].includes(action ?? '')) return { kind: 'repository_moved' }
  return { kind: 'other', event: name }
}

test('every recorded payload of every event is read, and only pushes and pull requests are more than a name', () => {
  for (const { name, examples: payloads } of recorded)
    for (const payload of payloads)
      expect(github.parse(name, bytes(payload)), name).toMatchObject({
        ok: true,
        value: expectedOf(name, payload.action),
      })
})

test.each([
  ['no repository', 'body_invalid', (p) => delete p.repository],
  ['a repository that is a text', 'body_invalid', (p) => Object.assign(p, { repository: 'acme/shop' })],
  ['a name without an owner', 'body_invalid', (p) => Object.assign(p.repository, { full_name: 'shop' })],
  ['a name with a path', 'body_invalid', (p) => Object.assign(p.repository, { full_name: 'acme/shop/../x' })],
  ['a default branch that is an option', 'body_invalid', (p) => Object.assign(p.repository, { default_branch: '-x' })],
  ['a message that is no text', 'body_invalid', (p) => Object.assign(p.head_commit, { message: ['x'] })],
  ['deleted as a text', 'body_invalid', (p) => Object.assign(p, { deleted: 'false' })],
  ['no ref', 'ref_invalid', (p) => delete p.ref],
  ['a ref that is an object', 'ref_invalid', (p) => Object.assign(p, { ref: { toString: 1, valueOf: 1 } })],
  ['a bare branch', 'ref_invalid', (p) => Object.assign(p, { ref: 'main' })],
  ['a ref that climbs', 'ref_invalid', (p) => Object.assign(p, { ref: 'refs/heads/../x' })],
  ['a ref with a space', 'ref_invalid', (p) => Object.assign(p, { ref: 'refs/heads/a b' })],
  ['a ref of 1,025 characters', 'ref_invalid', (p) => Object.assign(p, { ref: `refs/heads/${'x'.repeat(1014)}` })],
  ['no commit', 'sha_invalid', (p) => delete p.after],
  ['a commit by name', 'sha_invalid', (p) => Object.assign(p, { after: 'HEAD' })],
  ['an abbreviated commit', 'sha_invalid', (p) => Object.assign(p, { after: '6113728' })],
  ['a commit that is a number', 'sha_invalid', (p) => Object.assign(p, { after: 6113728 })],
] as [string, string, (payload: any) => unknown][])('%s is %s', (_what, code, change) => {
  expect(codeOf(changed(change))).toBe(code)
})

test('what is only shown may be missing or malformed', () => {
  const read = changed((p) => {
    Object.assign(p, { sender: { login: {}, id: 'x' }, compare: 'javascript:alert(1)', pusher: null, before: 7 })
    p.head_commit.author = { name: { toString: 1 } }
  })
  expect(read).toMatchObject({ ok: true, value: { author: '', message: 'Initial commit' } })
  for (const key of ['sender', 'compareUrl', 'before']) expect(read).not.toHaveProperty(`value.${key}`)
})

const commit = (files: object) => ({ added: [], modified: [], removed: [], ...files })
const changedFiles = (more: object) => {
  const read = changed((p) => Object.assign(p, { created: false, forced: false }, more))
  return read.ok && read.value.kind === 'push' ? read.value.changed : read
}

test('the files of all commits are what a push changed', () => {
  const commits = [commit({ added: ['a', 'b'] }), commit({ modified: ['b'], removed: ['c/d'] })]
  expect(changedFiles({ commits })).toEqual(['a', 'b', 'c/d'])
  expect(changedFiles({ commits, forced: true })).toBeUndefined()
  expect(changedFiles({ commits, created: true })).toBeUndefined()
})

test.each([
  ['no commits', []],
  ['twenty commits', Array.from({ length: 20 }, () => commit({ added: ['a'] }))],
  ['a commit that tells nothing', [null]],
  ['a list that is none', [commit({ added: 'a' })]],
  ['a path that is none', [commit({ added: [{}] })]],
  ['a path of 501 characters', [commit({ added: ['x'.repeat(501)] })]],
  ['more than 200 files', [commit({ added: Array.from({ length: 201 }, (_, at) => `f${at}`) })]],
  ['more text than a run shall carry', [commit({ added: Array.from({ length: 50 }, (_, at) => `${at}`.padEnd(400)) })]],
])('with %s, what changed is unknown, and the push is a push all the same', (_what, commits) => {
  expect(changedFiles({ commits })).toBeUndefined()
})

test('a tag stands for the commit that it points at, not for a tag object', () => {
  const sha = 'b'.repeat(40)
  const read = changed((p) => {
    Object.assign(p, { ref: 'refs/tags/v1/2' })
    p.head_commit.id = sha
  })
  expect(read).toMatchObject({ value: { tag: true, tagName: 'v1/2', sha } })
})

test('a ref may have 255 characters, a message is cut to 4096, half a character is mended', () => {
  expect(codeOf(changed((p) => Object.assign(p, { ref: `refs/heads/${'x'.repeat(244)}` })))).toBe('ok')
  const read = changed((p) => Object.assign(p.head_commit, { message: `${'x'.repeat(4095)}😀` }))
  expect(read).toMatchObject({ value: { message: `${'x'.repeat(4095)}\ufffd` } })
})

test('a SHA-256 repository is read as well', () => {
  expect(changed((p) => Object.assign(p, { after: 'a'.repeat(64) }))).toMatchObject({ value: { sha: 'a'.repeat(64) } })
  expect(changed((p) => Object.assign(p, { after: '0'.repeat(64) }))).toMatchObject({ value: { deleted: true } })
})

/** All paths of the fields in a value, deepest first. */
const pathsOf = (value: unknown, path: string[] = []): string[][] =>
  typeof value === 'object' && value !== null
    ? [...Object.entries(value).flatMap(([key, inner]) => pathsOf(inner, [...path, key])), path]
    : [path]
const nasty = fc.oneof(
  fc.jsonValue({ maxDepth: 2 }),
  fc.constant({ toString: 1, valueOf: 1, length: 3 }),
  fc.constant(undefined),
)

test('whatever stands in whichever field, reading never throws, and what comes out is what it should be', () => {
  const used = pathsOf(branchPush).filter((path) => path.length > 0)
  const codes = new Set<string>()
  fc.assert(
    fc.property(
      fc.constantFrom(...pushes),
      fc.array(fc.tuple(fc.constantFrom(...used), nasty), { minLength: 1, maxLength: 4 }),
      (original, changes) => {
        const payload = structuredClone(original)
        for (const [path, value] of changes) {
          const holder = path.slice(0, -1).reduce<any>((at, key) => at?.[key], payload)
          if (typeof holder === 'object' && holder !== null) holder[path.at(-1) as string] = structuredClone(value)
        }
        const read = parse(payload)
        codes.add(codeOf(read))
        if (!read.ok) return
        const { value } = read
        if (value.kind !== 'push') throw new Error('a push is a push')
        expect([typeof value.message, typeof value.author]).toEqual(['string', 'string'])
        expect(value.deleted ? value.sha : /^[0-9a-f]{40}$/.test(value.sha ?? '')).toBe(
          value.deleted ? undefined : true,
        )
      },
    ),
    { numRuns: 3000, seed: 7 },
  )
  expect([...codes].sort()).toEqual(['body_invalid', 'ok', 'ref_invalid', 'sha_invalid'])
})

test('any bytes at all are read or refused', () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 200 }), fc.constantFrom('push', 'ping', 'other'), (some, event) => {
      expect(typeof github.parse(event, Buffer.from(some)).ok).toBe('boolean')
    }),
  )
})

test('the repository of a recorded payload is among the guesses, whatever the spacing', () => {
  for (const payload of pushes)
    for (const spaces of [0, 2])
      expect(guessRepositories(Buffer.from(JSON.stringify(payload, null, spaces)))).toEqual(['codertocat/hello-world'])
})

test('at most eight names are guessed, and texts within texts are none', () => {
  const names = Array.from({ length: 20 }, (_, index) => ({ full_name: `acme/shop-${index}` }))
  expect(guessRepositories(bytes(names))).toEqual(names.slice(0, 8).map((one) => one.full_name))
  expect(guessRepositories(bytes({ message: '"full_name":"acme/other"' }))).toEqual([])
  expect(guessRepositories(bytes({ full_name: '../../etc/passwd' }))).toEqual([])
})

test('guessing over 25 MB made to be slow takes less than a second of work', () => {
  for (const part of [
    '"full_name":"a/b"',
    '"full_name"        :',
    `"full_name":"${'a'.repeat(100)}/`,
    '"full_name":"a',
  ]) {
    const raw = Buffer.alloc(25 * 2 ** 20, part)
    const before = process.cpuUsage()
    guessRepositories(raw)
    const { user, system } = process.cpuUsage(before)
    expect((user + system) / 1000, part).toBeLessThan(1000)
  }
})

test('a host is known by its own name only', () => {
  expect(hosts.github).toBe(github)
  for (const name of ['constructor', '__proto__', 'toString', 'gitlab'])
    expect((hosts as Record<string, unknown>)[name]).toBeUndefined()
})
