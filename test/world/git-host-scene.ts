import { once } from 'node:events'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { createServer, type IncomingHttpHeaders, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, afterEach, beforeAll, beforeEach, expect, vi } from 'vitest'
import type { Delivery } from '../git-host/deliveries.ts'
import { git } from '../git-host/git.ts'
import { commitAndPush } from '../git-host/push.ts'

/** A webhook call as it came. */
export interface Received {
  headers: IncomingHttpHeaders
  raw: Buffer
}
/** What a stand-in for a git host does in these scenes, whatever it speaks. */
export interface HookingHost {
  createRepository(name: string, options: { token: string }): Promise<{ cloneUrl: string }>
  setWebhook(name: string, hook: { url: string; secret: string }): void
  setFault(fault: { mode: 'ok' }): void
  /** Every ended attempt to deliver. */
  deliveries(): Delivery[]
  stop(): Promise<void>
}

/** A git host, a receiver of its webhooks, and for each test a repository of its own and a tree to push from. */
export function gitHostScene<Host extends HookingHost>(start: (folder: string) => Promise<Host>) {
  let receiver: Server
  let count = 0
  const scene = {
    token: 'sample-token',
    secret: 'sample-secret',
    host: undefined as unknown as Host,
    folder: '',
    /** Where the receiver takes webhooks. */
    hookUrl: '',
    received: [] as Received[],
    /** What the receiver answers; undefined: nothing, until the test ends. */
    receiverStatus: 202 as number | undefined,
    name: '',
    cloneUrl: '',
    tree: '',
    push: (message: string, branch = 'main') =>
      commitAndPush(scene.tree, { url: scene.cloneUrl, token: scene.token, message, branch }),
    /** git push, as someone with the token does. */
    pushRefs: (...args: string[]) => {
      const env = {
        GIT_CONFIG_COUNT: '1',
        GIT_CONFIG_KEY_0: 'http.extraHeader',
        GIT_CONFIG_VALUE_0: `Authorization: Basic ${Buffer.from(`git:${scene.token}`).toString('base64')}`,
      }
      return git(scene.tree, ['push', '--quiet', ...args.slice(0, -1), scene.cloneUrl, ...args.slice(-1)], { env })
    },
    /** Waits until so many deliveries of this repository have ended. */
    delivered: (total: number) => {
      const own = () => scene.host.deliveries().filter(({ repository }) => repository === scene.name)
      return vi.waitFor(() => expect(own()).toHaveLength(total), 10_000)
    },
  }
  beforeAll(async () => {
    scene.folder = mkdtempSync(join(tmpdir(), 'git-host-'))
    scene.host = await start(join(scene.folder, 'host'))
    receiver = createServer(async (request, response) => {
      const parts: Buffer[] = []
      for await (const chunk of request) parts.push(chunk)
      scene.received.push({ headers: request.headers, raw: Buffer.concat(parts) })
      if (scene.receiverStatus) response.writeHead(scene.receiverStatus).end('taken')
    }).listen(0, '127.0.0.1')
    await once(receiver, 'listening')
    scene.hookUrl = `http://127.0.0.1:${(receiver.address() as AddressInfo).port}/hook`
  })
  beforeEach(async () => {
    const { host, token, secret } = scene
    scene.name = `shop/web-${++count}`
    scene.cloneUrl = (await host.createRepository(scene.name, { token })).cloneUrl
    host.setWebhook(scene.name, { url: scene.hookUrl, secret })
    scene.tree = mkdtempSync(join(scene.folder, 'tree-'))
    writeFileSync(join(scene.tree, 'a.txt'), 'one\n')
    scene.received = []
  })
  afterEach(() => {
    scene.host.setFault({ mode: 'ok' })
    scene.receiverStatus = 202
  })
  afterAll(async () => {
    await scene.host.stop()
    receiver.closeAllConnections()
    receiver.close()
    rmSync(scene.folder, { recursive: true, force: true })
  })
  return scene
}

/** What a webhook call tells. */
export const bodyOf = ({ raw }: Received) => JSON.parse(raw.toString())
