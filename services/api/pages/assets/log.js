import { cleanLines } from './log-text.js'
import { element } from './show.js'

/** Lines of a block: the browser skips layout of blocks that are out of sight. */
const blockLines = 200
/** Blocks appended in one animation frame. */
const blocksPerFrame = 10
/** So near to the end counts as at the end. */
const nearPx = 40

/** The log panel: takes pieces of log, shows them per stage, and stays at the end unless the reader scrolled up. */
export function makeLogView(panel, jump) {
  const stages = new Map()
  let waiting = []
  let isScheduled = false
  let isFollowing = true
  let lastTop = 0

  function drain() {
    isScheduled = false
    for (let blocks = 0; blocks < blocksPerFrame && waiting.length > 0; blocks++) {
      const piece = waiting[0]
      appendLines(piece.stage, piece.lines)
      if (piece.lines.length === 0) waiting.shift()
    }
    if (isFollowing) panel.scrollTop = panel.scrollHeight
    if (waiting.length > 0) schedule()
  }
  function schedule() {
    if (isScheduled) return
    isScheduled = true
    requestAnimationFrame(drain)
  }
  function stageOf(name, attempt) {
    const key = `${attempt}/${name}`
    const known = stages.get(key)
    if (known) return known
    const title = name.replace(/^deploy:/, 'deploy to ') + (attempt > 1 ? `, attempt ${attempt}` : '')
    const box = element('details', { open: '' }, element('summary', {}, title))
    const stage = { box, block: undefined, room: 0 }
    panel.append(box)
    stages.set(key, stage)
    return stage
  }
  function setFollowing(value) {
    isFollowing = value
    jump.hidden = value
  }

  // Not every browser lets the keyboard scroll a panel that can't be focused.
  panel.tabIndex = 0
  panel.addEventListener('scroll', () => {
    const isUp = panel.scrollTop < lastTop - 2
    lastTop = panel.scrollTop
    if (panel.scrollHeight - panel.scrollTop - panel.clientHeight < nearPx) setFollowing(true)
    else if (isUp) setFollowing(false)
  })
  jump.addEventListener('click', () => {
    setFollowing(true)
    panel.scrollTop = panel.scrollHeight
  })

  return {
    add({ stage, attempt, text }) {
      waiting.push({ stage: stageOf(stage, attempt), lines: cleanLines(text) })
      schedule()
    },
    clear() {
      waiting = []
      stages.clear()
      panel.replaceChildren()
    },
  }
}

/** Moves lines into the stage's last block, or a new one when it is full. */
function appendLines(stage, lines) {
  if (stage.room === 0) {
    stage.block?.classList.add('full')
    stage.block = element('div', { class: 'block' }, document.createTextNode(' '))
    stage.block.firstChild.data = ''
    stage.room = blockLines
    stage.box.append(stage.block)
  }
  const taken = lines.splice(0, stage.room)
  stage.room -= taken.length
  stage.block.firstChild.appendData(`${taken.join('\n')}\n`)
}
