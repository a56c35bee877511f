import type { Happening } from '@taxiway/domain/environment/explanation.ts'
import type { Cluster, Wait } from '../cluster/call.ts'

/** What the cluster tells about one object. */
export interface Event {
  type?: string
  reason?: string
  message: string
  count?: number
  firstTimestamp?: string | null
  lastTimestamp?: string | null
  eventTime?: string | null
  involvedObject?: { kind?: string; name?: string; fieldPath?: string }
  metadata: { creationTimestamp?: string }
}

/** All that was told about an object, oldest first. Nothing when it can't be read. */
export async function eventsOf(
  cluster: Cluster,
  namespace: string,
  object: { kind: string; name: string },
  wait: Wait,
): Promise<Event[]> {
  const answer = await cluster.call<{ items?: Event[] }>(
    {
      method: 'GET',
      path: `/api/v1/namespaces/${namespace}/events`,
      query: { fieldSelector: `involvedObject.kind=${object.kind},involvedObject.name=${object.name}`, limit: '200' },
      may403: true,
    },
    wait,
  )
  if (!answer.ok) return []
  return (answer.value.body.items ?? []).toSorted((a, b) => timeOf(a).localeCompare(timeOf(b)))
}

/** When it was told last. */
export const timeOf = (event: Event): string =>
  event.lastTimestamp ?? event.eventTime ?? event.metadata.creationTimestamp ?? ''

/** Is it told of this container? */
export const isAbout = (event: Event, container: string): boolean =>
  event.involvedObject?.fieldPath?.endsWith(`{${container}}`) ?? false

/** Those worth showing to people: warnings, and whatever was killed. */
export const happeningsIn = (events: readonly Event[]): Happening[] =>
  events
    .filter(({ type, reason }) => type === 'Warning' || reason === 'Killing' || reason === 'FailedBinding')
    .map((event) => ({
      about: `${event.involvedObject?.kind ?? ''}/${event.involvedObject?.name ?? ''}`,
      reason: event.reason ?? '',
      message: event.message,
      ...(event.count ? { count: event.count } : {}),
      ...(timeOf(event) ? { at: timeOf(event) } : {}),
    }))
