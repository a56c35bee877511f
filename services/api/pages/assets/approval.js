import { act } from './api.js'
import { byId, setText } from './show.js'

let run
let isBusy = false

/** Shows the buttons while the run waits for an approval. */
export function showApproval(shown) {
  run = shown
  const isAsked = run.waiting?.for === 'approval'
  byId('approval-part').hidden = !isAsked
  if (!isAsked) return
  setText(byId('approval-title'), `Approve the release to ${run.waiting.environment}`)
  setText(byId('approval-sentence'), `${run.waiting.message}, until ${new Date(run.waiting.until).toLocaleString()}.`)
}

/**
 * Lets the buttons act, with the token that is typed in beside them: it goes into the request and nowhere else, as what the
 * browser sends by itself must not act. @param after is called when something was decided
 */
export function armApproval(after) {
  const decide = async (verb) => {
    const token = byId('approval-token').value.trim()
    if (!token || isBusy) return tell(isBusy ? '' : 'Type in a token of scope write first.')
    isBusy = true
    tell('Asking…')
    try {
      await act(`/repos/${run.repo}/environments/${run.waiting.environment}/${verb}`, { runId: run.id }, token)
      byId('approval-token').value = ''
      tell('')
      await after()
    } catch (error) {
      tell(error.message)
    } finally {
      isBusy = false
    }
  }
  byId('approval-yes').addEventListener('click', () => decide('approve'))
  byId('approval-no').addEventListener('click', () => decide('reject'))
}

const tell = (sentence) => setText(byId('approval-answer'), sentence)
