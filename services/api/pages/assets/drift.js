import { ago, element } from './show.js'

const titles = {
  report: 'Changed by hand. The next release makes it right.',
  correct: 'Changed by hand. It is put back.',
}

/** Shows what differs from the live release, field by field. */
export function fillDrift(box, drift) {
  const shown = JSON.stringify({ ...drift, notedAt: undefined })
  if (box.shown === shown) return
  box.shown = shown
  if (!drift) return box.replaceChildren(element('p', { class: 'faint' }, 'Changes by hand are not looked for now.'))
  const correction = drift.correction?.reason ? element('p', { class: 'words' }, drift.correction.reason.message) : ''
  if (drift.objects.length === 0)
    return box.replaceChildren(
      element(
        'p',
        { class: 'faint' },
        drift.unchecked ? `${drift.unchecked} objects are being compared.` : 'Everything is as the release has it.',
      ),
    )
  const more = drift.objectsLeftOut ? element('p', { class: 'faint' }, `and ${drift.objectsLeftOut} more objects`) : ''
  box.replaceChildren(
    element(
      'section',
      { class: 'drift', 'aria-label': 'Changed by hand' },
      element('h3', {}, titles[drift.mode] ?? 'Changed by hand.'),
      ...[
        drift.since ? element('p', { class: 'faint' }, 'Noticed ', ago(drift.since)) : '',
        correction,
        ...drift.objects.map(objectOf),
        more,
      ].filter((child) => child !== ''),
    ),
  )
}

function objectOf({ object, change, by, detail, fields, fieldsLeftOut }) {
  const words = [change === 'deleted' ? 'deleted' : '', by ? `managed by ${by} now` : '', detail ?? ''].filter(Boolean)
  const title = element('p', {}, element('strong', {}, object), words.length > 0 ? ` ${words.join(', ')}` : '')
  if (fields.length === 0) return title
  const rows = fields.map(({ path, wanted, live }) =>
    element(
      'tr',
      {},
      element('th', { scope: 'row', class: 'field-name' }, element('code', {}, path)),
      cell(wanted),
      cell(live),
    ),
  )
  if (fieldsLeftOut) rows.push(element('tr', {}, element('td', { colspan: '3' }, `and ${fieldsLeftOut} more fields`)))
  const heads = ['Field', 'Release', 'There'].map((text) => element('th', { scope: 'col' }, text))
  const table = element(
    'table',
    { class: 'fields' },
    element('thead', {}, element('tr', {}, ...heads)),
    element('tbody', {}, ...rows),
  )
  return element('div', {}, title, element('div', { class: 'table-frame' }, table))
}

const cell = (value) =>
  element('td', {}, value === undefined ? element('span', { class: 'faint' }, 'none') : element('code', {}, value))
