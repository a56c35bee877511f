import { read } from './api.js'
import { byId, element, syncList } from './show.js'

/** Releases that were asked about. */
let asked = ''

/** Shows what the releases of a run change against what was live; asked for again when there is one more of them. */
export async function showDiff(run) {
  const releases = run.releases.map(({ environment, generation }) => `${environment}/${generation}`).join()
  if (releases === asked) return
  const { items } = (await read(`/runs/${run.id}/diff`)) ?? { items: [] }
  asked = releases
  byId('diff-part').hidden = items.length === 0
  syncList(
    byId('diff'),
    items,
    ({ environment, generation }) => `${environment}/${generation}`,
    () => element('li'),
    fillDiff,
  )
}

function fillDiff(entry, { environment, against, found, objects, unchanged, more }) {
  const first = found ? `against what others made (${found})` : 'the first release there'
  const to = against ? `against release ${against.generation} (${against.sha.slice(0, 7)})` : first
  const rest = [...(more ? [`${more} more objects`] : []), ...(unchanged ? [`${unchanged} stay as they are`] : [])]
  entry.replaceChildren(
    element('strong', {}, environment),
    element('span', { class: 'faint' }, to),
    ...objects.map(objectPart),
    rest.length > 0 ? element('p', { class: 'faint' }, rest.join(', ')) : '',
  )
}

function objectPart({ object, change, fields, more }) {
  const title = element('summary', {}, element('code', {}, object), ` ${change}`)
  if (fields.length === 0) return element('p', {}, element('code', {}, object), ` ${change}`)
  const rows = fields.map(({ path, before, after }) =>
    element(
      'tr',
      {},
      element('td', {}, element('code', {}, path)),
      element('td', {}, before ?? ''),
      element('td', {}, after ?? ''),
    ),
  )
  const head = ['Field', 'Before', 'After'].map((name) => element('th', { scope: 'col' }, name))
  const table = element(
    'table',
    { class: 'changes' },
    element('thead', {}, element('tr', {}, ...head)),
    element('tbody', {}, ...rows),
  )
  return element('details', {}, title, table, more ? element('p', { class: 'faint' }, `${more} more fields`) : '')
}
