import { keepFresh, read, tell } from './api.js'
import { ago, badge, byId, duration, element, runStates, setText, syncList, tick } from './show.js'

const pollMs = 3000
const pageSize = 30
const mostLinks = 20
const filter = byId('filter')
let wanted = 0

/** What the address says: the filter and the page. */
const asked = () => new URLSearchParams(location.search)

function address(changes) {
  const query = asked()
  for (const [name, value] of Object.entries(changes)) value ? query.set(name, value) : query.delete(name)
  return query.size > 0 ? `/?${query}` : '/'
}

async function refresh() {
  const mine = ++wanted
  const query = new URLSearchParams({ limit: String(pageSize) })
  for (const name of ['repo', 'state', 'after']) if (asked().get(name)) query.set(name, asked().get(name))
  const page = (await read(`/runs?${query}`)) ?? { items: [] }
  // A newer filter was chosen meanwhile: its own answer counts.
  if (mine !== wanted) return
  tell('')
  show(page)
}

function show({ items, next }) {
  syncList(byId('runs'), items, (run) => run.id, makeRow, fillRow)
  const isFiltered = Boolean(asked().get('repo') || asked().get('state') || asked().get('after'))
  byId('none').hidden = items.length > 0
  byId('first-steps').hidden = isFiltered
  byId('first-command').hidden = isFiltered
  setText(byId('count'), `${items.length} runs shown`)
  byId('newest').hidden = !asked().get('after')
  byId('newest').href = address({ after: '' })
  byId('older').hidden = !(next && items.length === pageSize)
  byId('older').href = address({ after: next })
}

const makeRow = (run) => element('li', {}, element('a', { class: 'run', href: `/runs/${encodeURIComponent(run.id)}` }))

function fillRow(row, run) {
  row.firstElementChild.replaceChildren(
    badge(run.state),
    element(
      'span',
      { class: 'run-what' },
      element('span', { class: 'run-message' }, firstLine(run.message) || 'no message'),
      element(
        'span',
        { class: 'run-where faint' },
        element('span', { class: 'repo' }, `${run.repository} #${run.number}`),
        element('span', { class: 'branch' }, run.tag ?? run.branch),
        element('code', { title: run.sha }, run.sha.slice(0, 7)),
      ),
      run.reason && run.state !== 'succeeded' ? element('span', { class: 'run-why' }, run.reason.message) : undefined,
    ),
    element('span', { class: 'run-when faint' }, ago(run.createdAt), duration(run.startedAt, run.finishedAt)),
  )
}

const firstLine = (text) => text.split('\n', 1)[0].trim()

/** Puts the address into the form; the repositories come from the API. */
async function fillFilter() {
  const { state, repo } = filter.elements
  for (const word of runStates) state.append(element('option', { value: word }, word))
  const repositories = (await read('/repos').catch(() => undefined))?.items ?? []
  const names = new Set(repositories.map((one) => one.name))
  showEnvironments(repositories)
  if (asked().get('repo')) names.add(asked().get('repo'))
  for (const name of [...names].sort()) repo.append(element('option', { value: name }, name))
  showFilter()
}

/** Where the environments of each repository are; of very many the list says less than the filter. */
function showEnvironments(repositories) {
  const links = repositories.slice(0, mostLinks).map(({ id, name }) => element('a', { href: `/repos/${id}` }, name))
  byId('environments').hidden = links.length === 0
  byId('environments').replaceChildren(
    'Environments: ',
    ...links.flatMap((link, at) => (at > 0 ? [' · ', link] : [link])),
  )
}

function showFilter() {
  filter.elements.state.value = asked().get('state') ?? ''
  filter.elements.repo.value = asked().get('repo') ?? ''
}

function choose() {
  history.pushState(undefined, '', address({ ...Object.fromEntries(new FormData(filter)), after: '' }))
  refresh().catch(() => {})
}

setText(
  byId('first-command'),
  `curl ${location.origin}/api/v1/repos -H "Authorization: Bearer $TAXIWAY_TOKEN" \\\n  -H "Content-Type: application/json" \\\n  -d '{"host": "github", "url": "https://github.com/owner/name.git"}'`,
)
filter.addEventListener('change', choose)
filter.addEventListener('submit', (event) => event.preventDefault())
addEventListener('popstate', () => {
  showFilter()
  refresh().catch(() => {})
})
setInterval(tick, 1000)
fillFilter()
keepFresh(refresh, pollMs)
