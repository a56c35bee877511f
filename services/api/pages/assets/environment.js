import { fillDrift } from './drift.js'
import { ago, badge, element, setText, syncList } from './show.js'
import { fillWorkload } from './workload.js'

const entryOf = (name) => () => element(name)
const part = (entry, name) => entry.querySelector(`[data-part="${name}"]`)
const runLink = (runId, text) => element('a', { href: `/runs/${encodeURIComponent(runId)}` }, text)

/** The empty frame of an environment. It is made once: what a reader has opened stays open when its parts are filled anew. */
export function makeEnvironment(name) {
  const headed = ['Workload', 'Ready', 'Version', 'Restarts'].map((text) => element('th', { scope: 'col' }, text))
  const table = element(
    'div',
    { class: 'table-frame', 'data-part': 'workloads-frame' },
    element(
      'table',
      { class: 'tests', 'aria-label': `Workloads of ${name}` },
      element('thead', {}, element('tr', {}, ...headed)),
      element('tbody', { 'data-part': 'workloads' }),
    ),
  )
  const entry = element(
    'details',
    { class: 'environment', id: name },
    element('summary', {}, element('h2', {}, name), element('span', { 'data-part': 'summary', class: 'summary' })),
    element('p', { 'data-part': 'detail', class: 'stage-why', role: 'status' }),
    element('dl', { 'data-part': 'facts', class: 'facts' }),
    table,
    element('div', { 'data-part': 'drift' }),
    folded('History of releases', 'releases'),
    folded('Changes by hand', 'changes'),
    folded('Rules', 'rules'),
    element(
      'details',
      { class: 'more' },
      element('summary', {}, 'Scale or restart'),
      element('p', { class: 'faint' }, 'With a token of scope ', element('code', {}, 'write'), ':'),
      element('pre', { 'data-part': 'command' }),
    ),
  )
  entry.dataset.key = name
  return entry
}

const folded = (title, name) =>
  element(
    'details',
    { class: 'more' },
    element('summary', {}, title),
    element('ul', { class: 'plain', 'data-part': name }),
  )

/** Fills what is known: the item of the list always, the rest once it was read. */
export function fillEnvironment(entry, item, { state, changes, releases }, repo) {
  fillOnce(part(entry, 'summary'), [item.state?.condition, item.state?.since, item.live?.sha], () => [
    badge(item.live ? (item.state?.condition ?? 'unknown') : 'pending'),
    element(
      'span',
      { class: 'faint' },
      item.live ? `release ${item.live.generation}, ${item.live.sha.slice(0, 7)}` : 'nothing is live yet',
    ),
    item.state ? element('span', { class: 'faint' }, 'since ', ago(item.state.since)) : '',
  ])
  setText(part(entry, 'detail'), item.state?.detail ? sentence(item.state.detail) : '')
  if (item.live || item.preview) fillFacts(part(entry, 'facts'), item, state)
  fillList(part(entry, 'rules'), rulesOf(item.rules), (row, { name, text }) =>
    row.replaceChildren(element('strong', {}, name), element('code', {}, text)),
  )
  part(entry, 'workloads-frame').hidden = !state?.workloads.length && !part(entry, 'workloads').children.length
  if (state) {
    syncList(part(entry, 'workloads'), state.workloads, keyOf, entryOf('tr'), fillWorkload)
    fillDrift(part(entry, 'drift'), state.drift)
    setText(part(entry, 'command'), commandOf(repo, item.name, state.workloads[0]))
  }
  if (releases) fillList(part(entry, 'releases'), releases, fillRelease)
  if (changes) fillList(part(entry, 'changes'), changes, fillChange)
}

const keyOf = ({ kind, name }) => `${kind}/${name}`
const sentence = (text) => `${text[0].toUpperCase()}${text.slice(1).replace(/\.$/, '')}.`

/** Fills only when what it is made of has changed. */
function fillOnce(target, from, make) {
  const shown = JSON.stringify(from)
  if (target.shown === shown) return
  target.shown = shown
  target.replaceChildren(...make().filter((child) => child !== ''))
}

function fillList(list, items, fill) {
  syncList(
    list,
    items.length > 0 ? items : [{ none: true }],
    (one) => one.name ?? one.id ?? one.generation ?? 'none',
    entryOf('li'),
    (row, item) => (item.none ? row.replaceChildren(element('span', { class: 'faint' }, 'None.')) : fill(row, item)),
  )
}

const fact = (name, ...value) => element('div', {}, element('dt', {}, name), element('dd', {}, ...value))

function fillFacts(list, { live, hold, preview }, state) {
  fillOnce(list, [live, hold, preview, state?.seenAt], () => [
    ...(preview ? [fact('Preview', ...previewOf(preview))] : []),
    ...(preview?.trouble ? [fact('Not removed', preview.trouble.message)] : []),
    ...(live ? liveFacts(live, hold) : []),
    state ? fact('Looked at', ago(state.seenAt)) : '',
  ])
}

const liveFacts = (live, hold) => [
  fact('Commit', element('code', { title: live.sha }, live.sha.slice(0, 12)), ' ', runLink(live.runId, 'its run')),
  hold ? fact('On hold', hold.reason, ' ', ago(hold.since)) : '',
  live.at ? fact('Live', ago(live.at)) : '',
  fact('Target', `${live.target}, namespace ${live.namespace}`),
]

const previewOf = ({ number, url, expiresAt }) => [
  `pull request ${number}`,
  url ? ', ' : '',
  url ? element('a', { href: url, rel: 'noreferrer' }, url) : '',
  `, kept until ${new Date(expiresAt).toLocaleString()}`,
]

function fillRelease(row, release) {
  row.replaceChildren(
    badge(release.state),
    element('strong', {}, `release ${release.generation}`),
    element('code', { title: release.sha }, release.sha.slice(0, 7)),
    runLink(release.runId, 'run'),
    release.at ? element('span', { class: 'faint' }, ago(release.at)) : element('span'),
  )
}

const wordsOf = {
  scale: ({ workload, replicas }) => `${workload} to ${replicas} replicas`,
  restart: ({ workload }) => `restart of ${workload}`,
  drift: ({ detail }) => `changed past Taxiway: ${detail}`,
  correct: ({ detail }) => `put back: ${detail}`,
  delete: ({ objects }) =>
    objects === 'delete' ? 'deletion, with what runs here' : 'deletion, leaving what runs here',
}

function fillChange(row, change) {
  row.replaceChildren(
    badge(change.state),
    element('span', { class: 'words' }, wordsOf[change.kind]?.(change) ?? change.kind),
    element('span', { class: 'faint' }, `by ${change.who}, `, ago(change.at)),
  )
  if (change.reason) row.append(element('p', { class: 'stage-why' }, change.reason.message))
}

const rulesOf = (rules) => Object.entries(rules ?? {}).map(([name, value]) => ({ name, text: JSON.stringify(value) }))

function commandOf(repo, name, workload) {
  const to = (verb, body) =>
    `curl -H "Authorization: Bearer $TAXIWAY_TOKEN" -H "Content-Type: application/json" \\\n  ${location.origin}/api/v1/repos/${repo}/environments/${name}/${verb} \\\n  -d '${JSON.stringify(body)}'`
  const named = workload ? keyOf(workload) : 'Deployment/web'
  return `${to('scale', { workload: named, replicas: workload?.wanted ?? 2 })}\n\n${to('restart', { workload: named })}`
}
