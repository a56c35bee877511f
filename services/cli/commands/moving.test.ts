import { once } from 'node:events'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { afterEach, expect, test, vi } from 'vitest'
import { adopt } from './adopt.ts'
import { deleteCommand } from './delete.ts'

/** What a server is asked, and answers to it. */
const asked: string[] = []
let answers: Record<string, (() => unknown) | object> = {}
let printed = ''
afterEach(() => {
  vi.restoreAllMocks()
  vi.unstubAllEnvs()
})

/** Runs a command against a server that answers so. @returns its exit code */
async function run(command: (args: string[]) => Promise<number>, args: string[], served: typeof answers) {
  answers = served
  asked.length = 0
  printed = ''
  const server = createServer((request, response) => {
    const line = `${request.method} ${request.url?.replace('/api/v1', '')}`
    asked.push(line)
    const answer = answers[line]
    response.setHeader('content-type', 'application/json')
    response.end(JSON.stringify(typeof answer === 'function' ? answer() : (answer ?? {})))
  }).listen(0, '127.0.0.1')
  await once(server, 'listening')
  vi.stubEnv('TAXIWAY_URL', `http://127.0.0.1:${(server.address() as AddressInfo).port}`)
  vi.stubEnv('TAXIWAY_TOKEN', 'tw_token')
  const keep = (text: string | Uint8Array) => {
    printed += String(text)
    return true
  }
  vi.spyOn(process.stdout, 'write').mockImplementation(keep)
  vi.spyOn(process.stderr, 'write').mockImplementation(keep)
  try {
    return await command(args)
  } finally {
    server.close()
    server.closeAllConnections()
  }
}

const objects = [
  { object: 'Deployment/web', change: 'changed', fields: [{ path: 'spec.image', before: 'old', after: 'new' }] },
]
const diff = { environment: 'production', generation: 1, found: 1, objects, unchanged: 0 }

test('what would be taken over is shown first, and taken over only when that is said', async () => {
  const served = {
    'GET /runs/run_1/diff': { items: [diff] },
    'POST /repos/repo_00000000000000000001/environments/production/adopt': {
      id: 'run_2',
      repository: 'acme/shop',
      number: 2,
      url: 'x',
    },
  }
  expect(await run(adopt, ['repo_00000000000000000001', 'production', 'run_1'], served)).toBe(0)
  expect(asked).toEqual(['GET /runs/run_1/diff'])
  expect(printed).toContain('against what others made (1)')
  expect(printed).toContain('- old')
  expect(printed).toContain('taxiway adopt repo_00000000000000000001 production run_1 --yes')
  expect(await run(adopt, ['repo_00000000000000000001', 'production', 'run_1', '--yes'], served)).toBe(0)
  expect(asked).toEqual(['POST /repos/repo_00000000000000000001/environments/production/adopt'])
})

test('a repository goes after its environments, but for previews, and a deletion that was refused is told', async () => {
  let items: object[] = [{ name: 'staging' }, { name: 'preview.1', preview: {} }]
  const served = {
    'GET /repos/repo_00000000000000000001/environments': () => ({ items }),
    'DELETE /repos/repo_00000000000000000001/environments/staging?objects=delete': () => {
      items = []
      return { id: 1 }
    },
  }
  expect(await run(deleteCommand, ['repo_00000000000000000001', '--objects', 'delete'], served)).toBe(0)
  expect(asked.filter((line) => line.startsWith('DELETE'))).toEqual([
    'DELETE /repos/repo_00000000000000000001/environments/staging?objects=delete',
    'DELETE /repos/repo_00000000000000000001',
  ])
  const refused = {
    'DELETE /repos/repo_00000000000000000001/environments/staging?objects=keep': { id: 7 },
    'GET /repos/repo_00000000000000000001/environments': { items: [{ name: 'staging' }] },
    'GET /repos/repo_00000000000000000001/environments/staging/changes': {
      items: [{ id: 7, state: 'refused', reason: { message: 'A newer release came.' } }],
    },
  }
  expect(await run(deleteCommand, ['repo_00000000000000000001', 'staging', '--objects', 'keep'], refused)).toBe(1)
  expect(printed).toContain('A newer release came.')
})
