import { setTimeout as sleep } from 'node:timers/promises'
import { CoreV1Api, KubeConfig } from '@kubernetes/client-node'

/** On the namespaces that a demo made; its value is the demo's id. */
const demoLabel = 'taxiway.dev/demo'
const goneMs = 120_000

function open(kubeconfig: string): CoreV1Api {
  const config = new KubeConfig()
  config.loadFromFile(kubeconfig)
  return config.makeApiClient(CoreV1Api)
}

/** Makes the namespaces that a demo deploys to. @throws when one is there already: that is somebody else's */
export async function makeNamespaces(kubeconfig: string, id: string, names: string[]): Promise<void> {
  const core = open(kubeconfig)
  for (const name of names) await core.createNamespace({ body: { metadata: { name, labels: { [demoLabel]: id } } } })
}

/** Removes the namespaces that this demo made, and waits until they are gone. Whatever else is in the cluster is not touched. */
export async function removeNamespaces(kubeconfig: string, id: string): Promise<void> {
  const core = open(kubeconfig)
  const until = performance.now() + goneMs
  for (;;) {
    const { items } = await core.listNamespace({ labelSelector: `${demoLabel}=${id}` })
    if (items.length === 0) return
    if (performance.now() > until)
      throw new Error(`namespace ${items[0]?.metadata?.name} is still being deleted after ${goneMs / 1000} s`)
    for (const { metadata, status } of items)
      if (metadata?.name && metadata.uid && status?.phase !== 'Terminating')
        await core.deleteNamespace({ name: metadata.name, body: { preconditions: { uid: metadata.uid } } })
    await sleep(500)
  }
}
