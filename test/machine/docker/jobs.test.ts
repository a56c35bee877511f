import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { listContainers, removeContainer } from '@taxiway/docker/container/release-container.ts'
import { connectEngine } from '@taxiway/docker/engine/engine.ts'
import { label } from '@taxiway/docker/engine/labels.ts'
import { removeNetwork } from '@taxiway/docker/engine/network.ts'
import { afterAll } from 'vitest'
import { makeDockerTarget } from '../../../services/deployer/target/docker.ts'
import { jobsContract } from '../../contracts/jobs.ts'

const engine = connectEngine({ dockerHost: process.env.DOCKER_HOST ?? '', stopMs: 1_000 })
const stateFolder = mkdtempSync(join(tmpdir(), 'docker-jobs-'))
const target = makeDockerTarget({ engine, stateFolder })

jobsContract('docker', {
  open: async () => target,
  async close({ repositoryId }) {
    for (const { id } of await listContainers(engine, { [label.repository]: repositoryId }))
      await removeContainer(engine, id)
    const filters = { label: [`${label.repository}=${repositoryId}`] }
    for (const { Name } of await engine.docker.listNetworks({ filters })) await removeNetwork(engine, Name)
  },
})
afterAll(() => rmSync(stateFolder, { recursive: true, force: true }))
