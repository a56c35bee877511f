import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { findProgram, freePort, startDaemon, waitUntil } from '../../deploy/local/process.ts'

/** The account of the registry below. */
export const account = { username: 'taxi', password: 'correct-horse-7' }
/** That password by bcrypt, as `htpasswd -B` writes it. */
const htpasswd = 'taxi:$2b$05$mPM1BlfiYji3rz0b46ZgKeCzcWystbSBoWZURSJdcYhlkEkX2lVd.\n'

/** A real registry of the test's own: with `password`, only for the account; without `deletes`, nothing may be removed. */
export async function startPrivateRegistry(folder: string, { password = true, deletes = true } = {}) {
  const command = findProgram('docker-registry')
  if (!command) throw new Error('No image registry: install docker-registry.')
  mkdirSync(folder, { recursive: true })
  const passwords = join(folder, 'htpasswd')
  writeFileSync(passwords, htpasswd)
  const port = await freePort()
  const file = join(folder, 'config.json')
  const auth = password ? { auth: { htpasswd: { realm: 'taxiway', path: passwords } } } : {}
  const configuration = {
    version: 0.1,
    log: { level: 'warn', accesslog: { disabled: true } },
    storage: { filesystem: { rootdirectory: join(folder, 'images') }, delete: { enabled: deletes } },
    http: { addr: `127.0.0.1:${port}` },
    ...auth,
  }
  writeFileSync(file, JSON.stringify(configuration))
  const env = { OTEL_TRACES_EXPORTER: 'none' }
  const daemon = await startDaemon({ name: 'private-registry', command, args: ['serve', file], folder, env })
  const host = `127.0.0.1:${port}`
  const status = () =>
    fetch(`http://${host}/v2/`).then(
      (answer) => answer.status,
      () => 0,
    )
  await waitUntil('Registry', 20, async () => (await status()) === (password ? 401 : 200), daemon)
  return { host, stop: () => daemon.stop() }
}
