import { createHmac } from 'node:crypto'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import type { HostDelivery } from '@taxiway/git-host/git-host.ts'
import { describe, expect, test } from 'vitest'
import { gitHostScene, type Received } from '../world/git-host-scene.ts'
import { questions, statuses } from './git-host-api.ts'
import type { GitHostDriver, Scene } from './git-host-driver.ts'

/** What every git host must do: read what it is told, tell what became of it, and give its token to nobody else. */
export function describeGitHost(name: string, driver: GitHostDriver): void {
  describe(name, () => {
    const scene = gitHostScene((folder) => driver.start(folder))
    signatures(driver, scene)
    deliveries(driver, scene)
    statuses(driver, scene)
    questions(driver, scene)
  })
}

function signatures({ host }: GitHostDriver, scene: Scene): void {
  const signed = async () => {
    await scene.push('Add a')
    await scene.delivered(1)
    const [{ headers, raw }] = scene.received as [Received]
    return { raw, signature: String(headers[host.headers.signature]) }
  }

  test('what was signed with one of the secrets is taken, whichever is the new one', async () => {
    const { raw, signature } = await signed()
    for (const secrets of [[scene.secret], ['another', scene.secret], [scene.secret, 'another']])
      expect(host.verify(raw, signature, secrets)).toBe(true)
  })

  test('nothing else is: no signature, a weaker or broken one, another secret, a body that differs by one byte', async () => {
    const { raw, signature } = await signed()
    const weak = `sha1=${createHmac('sha1', scene.secret).update(raw).digest('hex')}`
    for (const wrong of [
      undefined,
      '',
      weak,
      signature.slice(0, -1),
      `${signature}0`,
      signature.toUpperCase(),
      `${signature}, ${signature}`,
    ])
      expect(host.verify(raw, wrong, [scene.secret]), wrong).toBe(false)
    for (const secrets of [[], ['another'], ['']]) expect(host.verify(raw, signature, secrets)).toBe(false)
    const altered = Buffer.from(raw)
    altered[altered.length - 2] = (altered.at(-2) as number) ^ 1
    const reencoded = Buffer.from(JSON.stringify(JSON.parse(raw.toString()), undefined, 1))
    for (const body of [altered, reencoded, raw.subarray(1), Buffer.alloc(0)])
      expect(host.verify(body, signature, [scene.secret])).toBe(false)
  })

  test('every delivery has a name of its own, which may stand in the record', async () => {
    await scene.push('One')
    await scene.push('Two')
    await scene.delivered(2)
    const names = scene.received.map(({ headers }) => String(headers[host.headers.delivery]))
    expect(new Set(names).size).toBe(2)
    for (const one of names) expect(one).toMatch(/^[\w-]{1,100}$/)
  })
}

function deliveries({ host, events }: GitHostDriver, scene: Scene): void {
  const read = ({ headers, raw }: Received): HostDelivery => {
    const parsed = host.parse(String(headers[host.headers.event]), raw)
    if (!parsed.ok) throw new Error(parsed.reason.message)
    return parsed.value
  }
  /** Those that tell of a ref, in the order that they came. */
  const told = (ref: string) =>
    scene.received
      .map(read)
      .filter((one): one is HostDelivery & { kind: 'push' } => one.kind === 'push' && one.ref === ref)

  test('branches: new, pushed to, set back, deleted', async () => {
    const first = await scene.push('Add a')
    await scene.delivered(1)
    writeFileSync(join(scene.tree, 'b c.txt'), 'two\n')
    writeFileSync(join(scene.tree, 'a.txt'), 'changed\n')
    const second = await scene.push('Add b\n\nAt length.')
    await scene.delivered(2)
    await scene.pushRefs('--force', `${first}:refs/heads/main`)
    await scene.delivered(3)
    await scene.pushRefs(`${second}:refs/heads/feature/x`)
    await scene.delivered(4)
    await scene.pushRefs(':refs/heads/feature/x')
    await scene.delivered(5)
    const about = {
      kind: 'push',
      repository: scene.name,
      defaultBranch: 'main',
      tag: false,
      author: expect.stringMatching(/sample/i),
    }
    const [made, pushed, back] = told('refs/heads/main')
    expect(made).toMatchObject({ ...about, branch: 'main', sha: first, deleted: false, message: 'Add a' })
    expect(made).not.toHaveProperty('before')
    expect(made).not.toHaveProperty('changed')
    expect(pushed).toMatchObject({ ...about, before: first, sha: second, message: 'Add b\n\nAt length.' })
    expect(pushed?.changed?.toSorted()).toEqual(['a.txt', 'b c.txt'])
    expect(pushed?.forced ?? false).toBe(false)
    expect(back).toMatchObject({ ...about, before: second, sha: first, forced: true })
    // What it took away is not in the list of what it brought.
    expect(back).not.toHaveProperty('changed')
    const [side, gone] = told('refs/heads/feature/x')
    expect(side).toMatchObject({ branch: 'feature/x', sha: second, deleted: false })
    expect(gone).toMatchObject({ branch: 'feature/x', before: second, deleted: true })
    expect(gone).not.toHaveProperty('sha')
  })

  test('tags: made and deleted', async () => {
    const sha = await scene.push('Add a')
    await scene.delivered(1)
    await scene.pushRefs(`${sha}:refs/tags/v1/rc`)
    await scene.delivered(2)
    await scene.pushRefs(':refs/tags/v1/rc')
    await scene.delivered(3)
    const [made, gone] = told('refs/tags/v1/rc')
    expect(made).toMatchObject({ tag: true, tagName: 'v1/rc', sha, deleted: false })
    expect(gone).toMatchObject({ tag: true, before: sha, deleted: true })
    expect(gone).not.toHaveProperty('sha')
    for (const one of [made, gone]) expect(one).not.toHaveProperty('branch')
  })

  test('pull requests: opened, pushed to, from another repository, closed', async () => {
    const sha = await scene.push('Change', 'change')
    await scene.delivered(1)
    const one = { number: 12, sha, branch: 'change' }
    for (const options of [
      { ...one, action: 'opened' as const },
      { ...one, action: 'synchronize' as const, from: 'stranger/web' },
      { ...one, action: 'closed' as const },
    ])
      await scene.host.pullRequest(scene.name, options)
    await scene.delivered(4)
    const [opened, pushed, closed] = scene.received.slice(1).map(read)
    const about = { kind: 'pull_request', repository: scene.name, number: 12, base: 'main', branch: 'change', sha }
    expect(opened).toMatchObject({ ...about, defaultBranch: 'main', fork: false })
    expect(pushed).toMatchObject({ ...about, fork: true })
    const { repositoryId } = opened as { repositoryId: number }
    expect(repositoryId).toEqual(expect.any(Number))
    expect(closed).toEqual({ kind: 'pull_request_closed', repository: scene.name, repositoryId, number: 12 })
  })

  test('a ping is one, and an event that is nothing to us is only a name', () => {
    expect(host.parse(events.ping, Buffer.from('{"zen":"Keep it logically awesome."}'))).toEqual({
      ok: true,
      value: { kind: 'ping' },
    })
    expect(host.parse(events.other, Buffer.from('{"action":"created"}'))).toEqual({
      ok: true,
      value: { kind: 'other', event: events.other },
    })
  })

  const hostile: [string, string | Buffer][] = [
    ['nothing', ''],
    ['half an object', '{"ref":'],
    ['a list', '[]'],
    ['null', 'null'],
    ['bytes that are no text', Buffer.from([0xff, 0xfe, 0x00])],
    ['brackets a hundred thousand deep', '{"a":'.repeat(100_000)],
    ['a key that reaches into prototypes', '{"__proto__":{"isAdmin":true}}'],
    ['the same in escapes', '{"a":{"\\u0063onstructor":{"\\u0070rototype":{}}}}'],
  ]
  test.each(hostile)('%s is refused, whichever event it says it is', (_what, body) => {
    for (const event of Object.values(events))
      expect(host.parse(event, Buffer.from(body)), event).toMatchObject({ reason: { code: 'body_invalid' } })
    expect(({} as { isAdmin?: boolean }).isAdmin).toBeUndefined()
  })

  test('a field of another type, or of another name, is refused or left out, and never thrown at', async () => {
    const sha = await scene.push('Change', 'change')
    await scene.host.pullRequest(scene.name, { number: 1, sha, branch: 'change', action: 'opened' })
    await scene.delivered(2)
    const strange: unknown[] = [
      null,
      7,
      true,
      '',
      'x'.repeat(100_000),
      [],
      {},
      ['x'],
      { toString: 1, valueOf: 1, length: 3 },
    ]
    for (const { headers, raw } of scene.received) {
      const whole = JSON.parse(raw.toString())
      for (const value of strange)
        for (const key of Object.keys(whole)) {
          const parsed = host.parse(
            String(headers[host.headers.event]),
            Buffer.from(JSON.stringify({ ...whole, [key]: value })),
          )
          if (!parsed.ok) expect(['body_invalid', 'ref_invalid', 'sha_invalid']).toContain(parsed.reason.code)
        }
    }
  })
}
