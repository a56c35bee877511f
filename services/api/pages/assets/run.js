import { keepFresh, read, tell } from './api.js'
import { armApproval, showApproval } from './approval.js'
import { showDiff } from './diff.js'
import { makeLogView } from './log.js'
import { moveBars, showRun } from './run-parts.js'
import { byId, isOver, setText, tick } from './show.js'

const pollMs = 2000
const reopenMs = 3000
const id = location.pathname.split('/')[2] ?? ''
const log = makeLogView(byId('log'), byId('jump'))
let run
let source

async function refresh() {
  run = await read(`/runs/${id}`)
  tell(run ? '' : 'There is no such run.')
  if (!run) return false
  showRun(run)
  showApproval(run)
  await showDiff(run)
  if (!source) followLog()
  return !isOver(run.state)
}

/** Follows the log. The browser resumes a cut stream by itself, from the last piece it got; a refused one is opened anew. */
function followLog() {
  source = new EventSource(`/api/v1/runs/${id}/logs`)
  source.addEventListener('open', () => setText(byId('log-state'), 'live'))
  source.addEventListener('log', (event) => log.add(JSON.parse(event.data)))
  source.addEventListener('end', () => {
    source.close()
    setText(byId('log-state'), 'complete')
    refresh().catch(() => {})
  })
  source.addEventListener('error', () => {
    setText(byId('log-state'), 'reconnecting…')
    if (source.readyState === EventSource.CLOSED) setTimeout(reopen, reopenMs)
  })
}

function reopen() {
  log.clear()
  source = undefined
  // It asks the API first, which leads to the sign-in page when that is what is missing.
  refresh().catch(() => setTimeout(reopen, reopenMs))
}

armApproval(refresh)
byId('log-text').href = `/api/v1/runs/${id}/logs`
setInterval(() => {
  tick()
  if (run && !isOver(run.state)) moveBars(run)
}, 1000)
keepFresh(refresh, pollMs)
