import { ago, badge, byId, clock, duration, element, isOver, mark, setText, syncList } from './show.js'
import { showTests } from './tests.js'

const sentences = {
  queued: 'Waiting for a free worker.',
  running: 'Waiting for the next stage to begin.',
  succeeded: 'All stages passed.',
  failed: 'A stage failed.',
  errored: 'The infrastructure failed.',
  cancelled: 'Cancelled.',
  superseded: 'A newer push took its place.',
}
const environmentsLink = (repo) => `/repos/${encodeURIComponent(repo)}`
const repoLink = (name) => `/?repo=${encodeURIComponent(name)}`

/** Shows a run; what did not change is not touched. */
export function showRun(run) {
  byId('run').hidden = false
  document.title = `${run.state}: ${run.repository} #${run.number} · Taxiway`
  setText(byId('repository'), run.repository)
  byId('repository').href = repoLink(run.repository)
  byId('environments').href = environmentsLink(run.repo)
  setText(byId('title'), `${run.repository} #${run.number}`)
  setText(byId('message'), run.message)
  showVerdict(run)
  showFacts(run)
  syncList(byId('stages'), run.stages, stageKey, emptyEntry, (entry, stage) => fillStage(entry, stage, run))
  showTests(run)
  showPart(
    'images',
    run.images,
    (image) => image.name,
    (entry, image) => fillImage(entry, image, run),
  )
  showPart(
    'releases',
    run.releases,
    (release) => `${release.environment}/${release.generation}`,
    (entry, release) => fillRelease(entry, release, run),
  )
  const verb = isOver(run.state) ? 'rerun' : 'cancel'
  setText(byId('act-title'), isOver(run.state) ? 'Run it again' : 'Cancel this run')
  setText(
    byId('command'),
    `curl -X POST -H "Authorization: Bearer $TAXIWAY_TOKEN" \\\n  ${location.origin}/api/v1/runs/${run.id}/${verb}`,
  )
}

/** Moves the bars of what runs on to now. */
export function moveBars(run) {
  for (const entry of byId('stages').children) {
    const stage = run.stages.find((one) => stageKey(one) === entry.dataset.key)
    if (stage?.startedAt) placeBar(entry.querySelector('.bar-fill'), stage, run)
  }
}

const stageKey = (stage) => `${stage.name}/${stage.environment ?? ''}`
const emptyEntry = () => element('li')
const stageTitle = (stage) => (stage.environment ? `${stage.name} to ${stage.environment}` : stage.name)

function showVerdict(run) {
  const box = byId('verdict')
  if (box.dataset.state !== run.state) {
    box.dataset.state = run.state
    byId('badge').replaceChildren(badge(run.state))
  }
  const active = run.stages.filter((stage) => stage.state === 'running').map(stageTitle)
  const doing = run.state === 'running' && active.length > 0 ? `Now: ${active.join(', ')}.` : sentences[run.state]
  setText(byId('sentence'), run.reason?.message ?? run.waiting?.message ?? doing)
  byId('notes').hidden = !run.notes?.length
  syncList(
    byId('notes'),
    run.notes ?? [],
    (note) => note.code,
    emptyEntry,
    (entry, note) => setText(entry, note.message),
  )
}

function origin({ branch, tag, pullRequest }) {
  const shown = (name) => element('span', { class: 'branch' }, name)
  if (tag !== undefined) return ['Tag', shown(tag)]
  if (!pullRequest) return ['Branch', shown(branch)]
  return ['Pull request', `#${pullRequest.number}, `, shown(branch), pullRequest.fork ? ' of a fork' : '']
}

/** What a person asked for: a promotion, a deploy by hand or a rollback. */
function asked({ event, asked: { who, runId, number, environment, generation } }) {
  const of = environment ? `release ${generation} of ${environment}, ` : generation ? `release ${generation}, ` : ''
  return [`${event} of ${of}`, element('a', { href: `/runs/${runId}` }, `run #${number}`), `, by ${who}`]
}

function showFacts(run) {
  const shown = JSON.stringify([run.attempt, run.startedAt, run.finishedAt, run.approvals])
  const list = byId('facts')
  if (list.shown === shown) return
  list.shown = shown
  const fact = (name, ...value) => element('div', {}, element('dt', {}, name), element('dd', {}, ...value))
  list.replaceChildren(
    fact(...origin(run)),
    fact('Commit', element('code', { title: run.sha }, run.sha.slice(0, 12))),
    fact('Author', run.author || 'unknown'),
    ...(run.asked
      ? [fact('Asked for', ...asked(run))]
      : [fact('Began by', run.event === 'rerun' ? 're-run' : run.event)]),
    fact('Received', ago(run.createdAt)),
    fact('Took', run.startedAt ? duration(run.startedAt, run.finishedAt) : 'not started'),
    ...(run.approvals ?? []).map((one) => fact(`Approved for ${one.environment}`, `${one.who}, `, ago(one.at))),
    ...(run.attempt > 1 ? [fact('Attempt', String(run.attempt))] : []),
  )
}

function showPart(name, items, keyOf, fill) {
  byId(`${name}-part`).hidden = items.length === 0
  syncList(byId(name), items, keyOf, emptyEntry, fill)
}

function fillStage(entry, stage, run) {
  const fill = element('span', { class: 'bar-fill' })
  entry.dataset.state = stage.state
  entry.replaceChildren(
    mark(stage.state),
    element(
      'span',
      { class: 'stage-name' },
      stageTitle(stage),
      element('span', { class: 'stage-state faint' }, stage.state),
    ),
    element('span', { class: 'bar-track', 'aria-hidden': 'true' }, fill),
    element(
      'span',
      { class: 'stage-time faint' },
      stage.startedAt ? element('span', { class: 'stage-start' }, clock(stage.startedAt)) : '',
      duration(stage.startedAt, stage.finishedAt),
    ),
  )
  for (const { message } of stage.reason ? [stage.reason, ...(stage.reason.more ?? [])] : [])
    entry.append(element('p', { class: 'stage-why' }, message))
  placeBar(fill, stage, run)
}

/** Where on the run's time the stage lies, in percent. Set from script: the page's policy allows no style attributes. */
function placeBar(bar, stage, run) {
  if (!bar || !stage.startedAt) return
  const begin = Date.parse(run.startedAt ?? run.createdAt)
  const end = run.finishedAt ? Date.parse(run.finishedAt) : Date.now()
  const whole = Math.max(1, end - begin)
  const percent = (time) => Math.min(100, Math.max(0, ((time - begin) / whole) * 100))
  const from = percent(Date.parse(stage.startedAt))
  const to = percent(stage.finishedAt ? Date.parse(stage.finishedAt) : end)
  bar.style.setProperty('margin-left', `${Math.min(from, 99)}%`)
  bar.style.setProperty('width', `${Math.max(to - from, 1)}%`)
}

function fillImage(entry, image, run) {
  entry.replaceChildren(
    element('strong', {}, image.name),
    image.digest
      ? element('code', { class: 'digest' }, image.reference ?? image.digest)
      : element('span', { class: 'faint' }, 'not published'),
    image.reusedRun ? element('span', { class: 'faint' }, `reused from run ${image.reusedRun}`) : '',
    image.digest ? element('a', { href: `/api/v1/runs/${run.id}/images/${image.name}/provenance` }, 'provenance') : '',
  )
}

function fillRelease(entry, release, run) {
  const href = `${environmentsLink(run.repo)}#${encodeURIComponent(release.environment)}`
  entry.replaceChildren(
    badge(release.state),
    element('strong', {}, element('a', { href }, release.environment)),
    element('span', { class: 'faint' }, `generation ${release.generation}`),
  )
  if (release.reason) entry.append(element('p', { class: 'stage-why' }, release.reason.message))
  if (release.explanation) entry.append(explanation(release.explanation))
}

/** All that is known of what failed: where, the container's last lines, and what the cluster told. */
function explanation({ workload, pod, container, cause, exitCode, log = [], events = [] }) {
  const fact = (name, value) =>
    value === undefined ? [] : [element('dt', {}, name), element('dd', {}, element('code', {}, String(value)))]
  const told = ({ reason, message, count, at }) =>
    element('li', {}, `${at ? `${at} ` : ''}${reason}${count > 1 ? ` (${count} times)` : ''}: ${message}`)
  return element(
    'details',
    { class: 'account' },
    element('summary', {}, 'What failed, in full'),
    element(
      'dl',
      {},
      ...fact('Workload', workload),
      ...fact('Pod', pod),
      ...fact('Container', container),
      ...fact('Cause', cause),
      ...fact('Exit code', exitCode),
    ),
    ...(log.length > 0 ? [element('p', {}, 'Its last lines'), element('pre', {}, log.join('\n'))] : []),
    ...(events.length > 0 ? [element('p', {}, 'What the cluster told'), element('ul', {}, ...events.map(told))] : []),
  )
}
