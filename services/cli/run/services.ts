import { type ServiceOrder, type StartedServices, startServices } from '@taxiway/docker/container/services.ts'
import { imageExists, pullImage } from '@taxiway/docker/image/image.ts'
import type { PlannedService } from '@taxiway/domain/plan/tests.ts'
import { done, type Outcome } from '@taxiway/domain/reason.ts'
import { builtOr, type Session, secretsOf } from './session.ts'

/** Where services run, and what they are made from. */
export interface Beside {
  test: string
  network: string
  built: ReadonlyMap<string, string>
}
const pullMs = 10 * 60_000
const limits = { memoryMb: 2048, pids: 512 }

/** Starts the services of a test and waits until they are ready. */
export async function startHere(
  session: Session,
  services: PlannedService[],
  { test, network, built }: Beside,
): Promise<StartedServices> {
  const orders: ServiceOrder[] = []
  for (const service of services) {
    const image = builtOr(built, service.image)
    const missing = await provide(session, image)
    if (!missing.ok) return { problem: missing.reason, look: () => [], stop: async () => {} }
    orders.push({ service, image, secrets: secretsOf(session, service.secrets) })
  }
  return startServices(session.engine, orders, {
    name: (service) => session.name(`${test}-${service}`),
    labels: (service) => session.labels(`${test}-${service}`),
    network,
    cpus: session.cpus,
    ...limits,
    signal: session.signal,
    say: (line) => session.screen.note(line),
    mask: session.screen.mask,
  })
}

/** An image that was not built here is pulled unless it is there. */
export async function provide({ engine, signal }: Session, image: string): Promise<Outcome<void>> {
  if (await imageExists(engine, image, signal)) return done(undefined)
  const pulled = await pullImage(engine, image, { signal, deadlineMs: pullMs })
  return pulled.ok ? done(undefined) : pulled
}
