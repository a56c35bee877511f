import { ago, badge, element, mark } from './show.js'

/** A row of the workloads of an environment: how many are ready, what they run, and each pod. */
export function fillWorkload(row, workload) {
  const isOpen = row.querySelector('details')?.open ?? workload.condition !== 'healthy'
  const name = element('th', { scope: 'row' }, workload.name, element('span', { class: 'faint' }, ` ${workload.kind}`))
  if (workload.detail) name.append(element('p', {}, workload.detail))
  if (workload.pods.length > 0) name.append(podsOf(workload, isOpen))
  row.replaceChildren(
    name,
    element('td', {}, badge(workload.condition), ` ${workload.ready} of ${workload.wanted}`),
    element('td', { class: 'version' }, ...versionOf(workload)),
    element('td', {}, String(workload.pods.reduce((sum, { restarts }) => sum + restarts, 0))),
  )
}

function versionOf({ sha, runId, images }) {
  const run = runId ? element('a', { href: `/runs/${encodeURIComponent(runId)}` }, sha?.slice(0, 7) ?? 'run') : ''
  return [run, ...images.map((image) => element('code', { class: 'digest', title: image }, shortImage(image)))]
}

/** The end of its name and the beginning of its digest. */
function shortImage(image) {
  const [name, digest = ''] = image.split('@')
  return `${name.split('/').at(-1)}@${digest.replace('sha256:', '').slice(0, 12)}`
}

function podsOf({ pods, podsLeftOut, runId }, isOpen) {
  const items = pods.map((pod) =>
    element(
      'li',
      {},
      mark(pod.ready ? 'healthy' : 'degraded'),
      element('code', {}, pod.name),
      element(
        'span',
        { class: 'faint' },
        [
          pod.ready ? pod.phase : `${pod.phase}, not ready`,
          pod.restarts === 1 ? '1 restart' : pod.restarts > 1 ? `${pod.restarts} restarts` : '',
          pod.lastExit ? `last exit ${pod.lastExit.code}${pod.lastExit.reason ? ` (${pod.lastExit.reason})` : ''}` : '',
          pod.runId && runId && pod.runId !== runId ? 'of another release' : '',
        ]
          .filter(Boolean)
          .join(', '),
      ),
      pod.startedAt ? element('span', { class: 'faint' }, 'began ', ago(pod.startedAt)) : '',
    ),
  )
  if (podsLeftOut) items.push(element('li', { class: 'faint' }, `and ${podsLeftOut} more`))
  const title = pods.length + (podsLeftOut ?? 0) === 1 ? '1 pod' : `${pods.length + (podsLeftOut ?? 0)} pods`
  return element(
    'details',
    isOpen ? { open: '' } : {},
    element('summary', {}, title),
    element('ul', { class: 'pods' }, ...items),
  )
}
