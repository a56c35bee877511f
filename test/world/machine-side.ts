import { readFileSync } from 'node:fs'
import { request as httpRequest } from 'node:http'
import { request as httpsRequest, type RequestOptions } from 'node:https'
import { join } from 'node:path'
import { KubeConfig } from '@kubernetes/client-node'
import Docker from 'dockerode'
import { check } from './world.ts'

/** What is really there: asked of the machine or the cluster itself, not of Taxiway. */
export interface MachineSide {
  address(environment?: string): string
  visit(environment?: string): Promise<string>
  runningDigests(environment?: string): Promise<string[]>
  clean(): Promise<void>
}
export interface MachineSideOptions {
  target: 'docker' | 'kubernetes'
  /** Of an environment. */
  namespaceOf(environment?: string): string
  repositoryId: string
  dataFolder: string
  environment: Record<string, string | undefined>
}

export const machineSide = (options: MachineSideOptions): Promise<MachineSide> =>
  options.target === 'docker' ? dockerSide(options) : clusterSide(options)

async function dockerSide({ repositoryId, dataFolder, environment }: MachineSideOptions): Promise<MachineSide> {
  const docker = new Docker({ socketPath: (environment.DOCKER_HOST ?? '').replace(/^unix:\/\//, '') })
  const filters = { label: ['taxiway.role=release', `taxiway.repository=${repositoryId}`] }
  const address = (environment = 'production') => {
    const text = readFileSync(join(dataFolder, 'docker-target.json'), 'utf8')
    const port = JSON.parse(text).services[`${repositoryId}/${environment}/web`]?.port
    check(port !== undefined, `a port of ${environment} in ${text}`)
    return `http://127.0.0.1:${port}/`
  }
  return {
    address,
    visit: async (environment) => get(address(environment), {}),
    async runningDigests(environment = 'production') {
      const own = [...filters.label, `taxiway.environment=${environment}`]
      const containers = await docker.listContainers({ filters: { label: own } })
      return containers.map(({ Image }) => Image.split('@')[1] ?? Image)
    },
    async clean() {
      for (const { Id } of await docker.listContainers({ all: true, filters }))
        await docker.getContainer(Id).remove({ force: true, v: true })
      for (const { Id } of await docker.listNetworks({ filters })) await docker.getNetwork(Id).remove()
    },
  }
}

interface Pod {
  metadata: { deletionTimestamp?: string }
  status: { containerStatuses?: { ready: boolean; imageID: string }[] }
}

/** Speaks to the API server itself; the application is reached through its service proxy, as no node port is promised. */
async function clusterSide({ namespaceOf, environment }: MachineSideOptions): Promise<MachineSide> {
  const config = new KubeConfig()
  config.loadFromFile(environment.KUBECONFIG ?? '')
  const us: RequestOptions = {}
  await config.applyToHTTPSOptions(us)
  const path = (name: string | undefined, rest: string) =>
    `${config.getCurrentCluster()?.server}/api/v1/namespaces/${namespaceOf(name)}${rest}`
  return {
    address: (name) => path(name, '/services/web:80/proxy/'),
    visit: (name) => get(path(name, '/services/web:80/proxy/'), us),
    async runningDigests(name) {
      const { items } = JSON.parse(await get(path(name, '/pods'), us)) as { items: Pod[] }
      const live = items.filter(({ metadata }) => !metadata.deletionTimestamp)
      return live.flatMap(({ status }) =>
        (status.containerStatuses ?? [])
          .filter(({ ready }) => ready)
          .map(({ imageID }) => imageID.split('@')[1] ?? imageID),
      )
    },
    async clean() {
      for (const name of ['production', 'staging'])
        await get(path(name, ''), { ...us, method: 'DELETE' }).catch(() => '')
    },
  }
}

/** One request on a connection of its own. @throws when the answer is not 2xx or takes longer than 5 s */
function get(url: string, options: object): Promise<string> {
  return new Promise((resolve, reject) => {
    const request = (url.startsWith('https:') ? httpsRequest : httpRequest)(
      url,
      { ...options, agent: false, timeout: 5000 },
      (response) => {
        let body = ''
        response.setEncoding('utf8')
        response.on('data', (chunk) => {
          body += chunk
        })
        response.on('error', reject)
        response.on('end', () =>
          (response.statusCode ?? 0) < 300
            ? resolve(body)
            : reject(new Error(`${response.statusCode} ${body.slice(0, 200)}`)),
        )
      },
    )
    request.on('timeout', () => request.destroy(new Error('no answer within 5 s')))
    request.on('error', reject)
    request.end()
  })
}
