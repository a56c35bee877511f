import { type ContainerView, stopContainer } from '../container/release-container.ts'
import { keyOf, type Place } from './container.ts'
import type { Machine } from './release.ts'

/** How long requests that are under way may take before their container ends all the same. */
export const drainMs = 10_000

/** Ends containers and removes them: first they get no new request, and what they are answering may end. */
export function retire(
  machine: Machine,
  place: Place,
  containers: readonly ContainerView[],
  signal: AbortSignal,
): Promise<void> {
  return aside(machine, place, containers, signal, async () => {
    await Promise.all(containers.map(({ id }) => stopContainer(machine.engine, id)))
  })
}

/** Does something to containers while they get no request. */
export async function aside(
  { state, proxy }: Machine,
  place: Place,
  containers: readonly ContainerView[],
  signal: AbortSignal,
  work: () => Promise<void>,
): Promise<void> {
  if (containers.length === 0) return
  const leave = (names: string[] | undefined) =>
    state.change(({ environments }) => {
      const environment = environments[keyOf(place)]
      if (environment) environment.leaving = names
    })
  await leave(containers.map(({ name }) => name))
  try {
    await proxy.handOver(place, drainMs, signal)
    await work()
  } finally {
    await leave(undefined)
    await proxy.reconcile()
  }
}
