import { createHash } from 'node:crypto'
import Docker from 'dockerode'
import { pack } from 'tar-stream'

/** Builds images out of busybox:stable on the engine of DOCKER_HOST, and pushes them to TAXIWAY_REGISTRY. */
export interface Images {
  /** @param run what the container runs, as a shell command. @returns `registry/name@sha256:…` */
  publish(name: string, run: string): Promise<string>
  /** A reference in the same registry that was never pushed. */
  missing(name: string): string
}

/** A web server that says `text` on port 8080, at `/` and below. */
export const serving = (text: string): string =>
  `mkdir -p /www && echo "${text}" > /www/index.html && touch /www/healthz && exec busybox httpd -f -p 8080 -h /www`

export function makeImages(env: NodeJS.ProcessEnv = process.env): Images {
  const registry = env.TAXIWAY_REGISTRY ?? '127.0.0.1:5000'
  const host = new URL(env.DOCKER_HOST ?? 'unix:///var/run/docker.sock')
  const docker =
    host.protocol === 'unix:'
      ? new Docker({ socketPath: host.pathname })
      : new Docker({ host: host.hostname, port: host.port, protocol: 'http' })
  const finish = async (stream: NodeJS.ReadableStream): Promise<{ aux?: { Digest?: string }; error?: string }[]> =>
    new Promise((resolve, reject) => {
      docker.modem.followProgress(stream, (error, lines) => (error ? reject(error) : resolve(lines)))
    })
  const anonymous = { username: '', password: '', serveraddress: registry }
  return {
    async publish(name, run) {
      // Named by what it runs, as other files may publish something else under the same name at the same time.
      const tag = `${registry}/contract/${name}:${createHash('sha256').update(run).digest('hex').slice(0, 12)}`
      const context = pack()
      context.entry({ name: 'Dockerfile' }, `FROM busybox:stable\nCMD ${JSON.stringify(['sh', '-c', run])}\n`)
      context.finalize()
      const built = await finish(await docker.buildImage(context as unknown as NodeJS.ReadableStream, { t: tag }))
      const failure = built.find(({ error }) => error)
      if (failure) throw new Error(failure.error)
      const pushed = await finish(await docker.getImage(tag).push({ authconfig: anonymous }))
      const digest = pushed.find(({ aux }) => aux?.Digest)?.aux?.Digest
      if (!digest) throw new Error(`no digest for ${tag}: ${JSON.stringify(pushed.at(-1))}`)
      return `${registry}/contract/${name}@${digest}`
    },
    missing: (name) => `${registry}/contract/${name}@sha256:${'0'.repeat(63)}1`,
  }
}
