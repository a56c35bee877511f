import { machineSide } from './machine-side.ts'

/** Answers of an application, asked ten times a second through the API server's service proxy. */
export interface Polling {
  /** All good answers, in order. */
  answers: string[]
  failed: string[]
  stop(): Promise<void>
}

const everyMs = 100

/** Polls the Service `web` of a namespace until it is told to stop. */
export async function pollWeb(namespace: string, kubeconfig: string): Promise<Polling> {
  const environment = { KUBECONFIG: kubeconfig }
  const namespaceOf = () => namespace
  const side = await machineSide({ target: 'kubernetes', namespaceOf, repositoryId: '', dataFolder: '', environment })
  let over = false
  const polling: Polling = {
    answers: [],
    failed: [],
    async stop() {
      over = true
      await asking
    },
  }
  const asking = (async () => {
    while (!over) {
      const next = new Promise((resolve) => setTimeout(resolve, everyMs))
      await side.visit().then(
        (text) => void polling.answers.push(text.trim()),
        (error) => void polling.failed.push(String(error.message ?? error)),
      )
      await next
    }
  })()
  return polling
}
