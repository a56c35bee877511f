import { CoreV1Api, KubeConfig } from '@kubernetes/client-node'
import { demoContract } from '../contracts/demo.ts'

const config = new KubeConfig()
config.loadFromFile(process.env.KUBECONFIG ?? '')
const core = config.makeApiClient(CoreV1Api)

demoContract('kubernetes', async () => {
  const { items } = await core.listNamespace({ labelSelector: 'taxiway.dev/demo' })
  return items.map(({ metadata }) => metadata?.name ?? '')
})
