import { badge, byId, element, syncList } from './show.js'

/** The tests of a run: how each stands, what its report says, and the files that it left. */
export function showTests(run) {
  const tests = (run.tests ?? []).map((test) => ({
    ...test,
    run: run.id,
    artifacts: (run.artifacts ?? []).filter((artifact) => artifact.test === test.name),
  }))
  byId('tests-part').hidden = tests.length === 0
  syncList(
    byId('tests'),
    tests,
    (test) => test.name,
    () => element('tr'),
    fillTest,
  )
}

function fillTest(row, test) {
  const name = element('th', { scope: 'row' }, test.name)
  if (test.reason) name.append(element('p', { class: 'test-why' }, test.reason.message))
  if (test.failures?.length) name.append(failuresOf(test))
  if (test.artifacts.length > 0) name.append(artifactsOf(test))
  row.replaceChildren(
    name,
    element('td', {}, badge(test.state), element('span', { class: 'faint' }, wordsOf(test))),
    element('td', {}, countsOf(test.counts)),
    element('td', {}, test.durationMs === undefined ? '' : secondsText(test.durationMs)),
  )
}

const wordsOf = ({ tries, flaky, allowed }) =>
  [flaky ? 'flaky' : '', allowed ? 'allowed to fail' : '', tries > 1 ? `${tries} tries` : '']
    .filter(Boolean)
    .map((word) => ` ${word}`)
    .join(',')

function countsOf(counts) {
  if (!counts) return ''
  const { total, failed, skipped } = counts
  return [`${total} in all`, failed ? `${failed} failed` : '', skipped ? `${skipped} skipped` : '']
    .filter(Boolean)
    .join(', ')
}

function failuresOf({ failures, counts }) {
  const more = (counts?.failed ?? 0) - failures.length
  const items = failures.map(({ name, message, file, line, stack }) =>
    element(
      'li',
      {},
      element('strong', {}, name),
      message ? `: ${message}` : '',
      file ? ` (${file}${line ? `:${line}` : ''})` : '',
      stack ? element('pre', {}, stack) : '',
    ),
  )
  if (more > 0) items.push(element('li', { class: 'faint' }, `and ${more} more`))
  const title = failures.length === 1 ? 'The case that failed' : `The first ${failures.length} cases that failed`
  return element('details', { open: '' }, element('summary', {}, title), element('ul', {}, ...items))
}

const artifactsOf = ({ run, artifacts }) =>
  element(
    'ul',
    { class: 'artifacts' },
    ...artifacts.map(({ id, path, name, bytes, expiresAt }) =>
      element(
        'li',
        {},
        element(
          'a',
          { href: `/api/v1/runs/${run}/artifacts/${encodeURIComponent(id)}`, title: path, download: '' },
          name ?? path,
        ),
        element('span', { class: 'faint' }, ` ${sizeText(bytes)}, kept until ${new Date(expiresAt).toLocaleString()}`),
      ),
    ),
  )

function sizeText(bytes) {
  if (bytes < 1000) return `${bytes} bytes`
  return bytes < 1e6 ? `${(bytes / 1e3).toFixed(1)} kB` : `${(bytes / 1e6).toFixed(1)} MB`
}

function secondsText(ms) {
  const seconds = Math.round(ms / 1000)
  return ms < 10_000
    ? `${(ms / 1000).toFixed(1)} s`
    : seconds < 60
      ? `${seconds} s`
      : `${Math.floor(seconds / 60)} min ${seconds % 60} s`
}
