import { parseArgs } from 'node:util'
import { startGitHost } from './server.ts'

const help = `A git host for trying things out: repositories over HTTP, push webhooks, commit statuses.

  node test/git-host/main.ts --folder DIR [--port N] [--repository OWNER/NAME [--webhook URL]]

  --folder      where the bare repositories live
  --port        on 127.0.0.1; a free one unless given
  --repository  makes (or opens) this repository
  --webhook     where the repository's pushes are told
  --help        this text

  GIT_HOST_TOKEN   the token that opens the repository; anybody may enter without it
  GIT_HOST_SECRET  the secret that signs the webhook
`
const text = { type: 'string' } as const
const { values } = parseArgs({
  options: { folder: text, port: text, repository: text, webhook: text, help: { type: 'boolean' } },
})

if (values.help || !values.folder) {
  process.stdout.write(help)
  process.exit(values.help ? 0 : 2)
}
const say = (line: string) => process.stdout.write(`${line}\n`)
const host = await startGitHost({ folder: values.folder, port: Number(values.port ?? 0), say })
say(`git host ${host.url}`)
if (values.repository) {
  const token = process.env.GIT_HOST_TOKEN
  const { cloneUrl } = await host.createRepository(values.repository, token ? { token } : {})
  if (values.webhook)
    host.setWebhook(values.repository, { url: values.webhook, secret: process.env.GIT_HOST_SECRET ?? '' })
  say(`repository ${cloneUrl}`)
}
for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => void host.stop())
