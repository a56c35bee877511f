import { refuse } from '@taxiway/domain/reason.ts'
import { type Answer, forbidden, messageOf, type Status } from '../cluster/call.ts'
import { clusterWide } from '../cluster/discovery.ts'
import { describe, type KubeObject } from '../object.ts'
import { wayOut } from './immutable.ts'

/** Is it a conflict over who owns a field? */
export const isOwnership = (status: Status): boolean =>
  status.details?.causes?.some((cause) => cause.reason === 'FieldManagerConflict') ?? false

/** What to do about an object that others made. */
export const howToAdopt =
  'to take it over, look at "taxiway diff RUN", and have an admin run "taxiway adopt REPO ENVIRONMENT RUN"'

/** What the server has against an object, in one sentence. */
export function refusal(object: KubeObject, answer: Answer<Status>) {
  const { status, body } = answer
  if (status === 409 && isOwnership(body)) {
    const cause = body.details?.causes?.[0]
    const owner = /conflict with "([^"]+)"/.exec(cause?.message ?? '')?.[1] ?? 'somebody'
    const detail = `${owner} owns ${cause?.field ?? 'a field'}; ${howToAdopt}`
    return refuse('manifest_conflict', { object: describe(object), detail })
  }
  if (status === 405 && body.reason === clusterWide)
    return refuse('manifest_forbidden', {
      object: describe(object),
      detail: 'it is of the whole cluster, and a release holds only what is in its namespace',
      hint: 'Leave it out, and have an admin of the cluster apply it',
    })
  const message = messageOf(body)
  const ruled = ruleOf(message)
  if (ruled) return refuse(ruled.code, { object: describe(object), detail: ruled.detail })
  if (status === 403) return refuse('cluster_forbidden', { detail: `${describe(object)}: ${forbidden(message)}` })
  const unchangeable = wayOut(object, message)
  if (unchangeable) return refuse('manifest_invalid', { object: describe(object), detail: unchangeable })
  const detail =
    status === 404 && /could not find the requested resource/.test(message)
      ? `this cluster does not know apiVersion ${object.apiVersion}; "kubectl api-versions" lists what it serves`
      : plain(message) || `the cluster answered ${status}`
  return refuse('manifest_invalid', { object: describe(object), detail })
}

/** Whether it is not the account that may not, but a rule of the namespace or of the cluster that refuses. */
function ruleOf(message: string): { code: 'quota_exceeded' | 'admission_refused'; detail: string } | undefined {
  const detail = message.replace(/^[\w.]+ "[^"]*" is forbidden: /, '').replace(/\.$/, '')
  if (/^(exceeded|failed) quota: /.test(detail)) return { code: 'quota_exceeded', detail }
  if (/admission webhook "[^"]*" denied the request|failed calling webhook/.test(detail))
    return { code: 'admission_refused', detail: detail.replace(/^Internal error occurred: /, '') }
  const isRule = detail.length < message.length - 1 && !/^User "/.test(detail)
  return isRule && / is forbidden: /.test(message) ? { code: 'admission_refused', detail } : undefined
}

/** Without the server's own preamble: `Service "web" is invalid: spec…` and `failed to create typed patch object: …`. */
export const plain = (message: string): string =>
  message
    .replace(/^[\w.]+ "[^"]*" is invalid: /, '')
    .replace(/^failed to create (manager for existing fields|typed patch object)( \([^)]*\))?: /, '')
    .replace(/^error (when|validating)[^:]*: /i, '')
    .replace(/: field not declared in schema/g, ' is a field that this cluster does not know')
    .replace(/^\./, '')
    .replace(/\.$/, '')
