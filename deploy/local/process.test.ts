import { mkdtempSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { expect, test } from 'vitest'
import { startDaemon, waitUntil } from './process.ts'

const start = (script: string, name = 'sample') =>
  startDaemon({ name, command: 'sh', args: ['-c', script], folder: mkdtempSync(join(tmpdir(), 'taxiway-daemon-')) })
const soon = <T>(promise: Promise<T>) => Promise.race([promise, sleep(5000, 'nothing within 5 s')])

test('a daemon that ends by itself is told by name, with how it ended and its last lines', async () => {
  const daemon = await start('echo out; echo no room left >&2; exit 3')
  expect(await soon(daemon.died)).toBe('sample ended by itself (exit code 3). Its last lines:\nout\nno room left')
})

test('a daemon that somebody killed is told with the signal', async () => {
  const daemon = await start('exec sleep 100')
  process.kill(daemon.pid, 'SIGKILL')
  expect(await soon(daemon.died)).toBe('sample ended by itself (SIGKILL), and wrote nothing.')
})

test('a daemon that is stopped has not died', async () => {
  const daemon = await start('exec sleep 100')
  await daemon.stop()
  expect(daemon.alive()).toBe(false)
  expect(await Promise.race([daemon.died, sleep(200, 'nothing')])).toBe('nothing')
})

test('whoever waits for several daemons hears of the one that ended', async () => {
  const [lasting, ending] = [await start('exec sleep 100', 'lasting'), await start('echo bad flag; exit 1', 'ending')]
  const waiting = waitUntil('The whole', 20, async () => false, lasting, ending)
  await expect(waiting).rejects.toThrow(/^The whole: ending ended\. \nLast lines of ending:\nbad flag$/)
  await lasting.stop()
})
