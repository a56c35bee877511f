import { keepFresh, read, tell } from './api.js'
import { fillEnvironment, makeEnvironment } from './environment.js'
import { byId, setText, tick } from './show.js'

const pollMs = 3000
/** So many are open from the start; what is closed is not read in full. */
const openAtFirst = 3
const id = location.pathname.split('/')[2] ?? ''
const base = `/repos/${encodeURIComponent(id)}`
let repository

async function refresh() {
  repository ??= await read(base)
  tell(repository ? '' : 'There is no such repository.')
  if (!repository) return false
  const { items } = (await read(`${base}/environments`)) ?? { items: [] }
  show(items)
  await Promise.all(items.map(readOne))
}

function show(items) {
  byId('page').hidden = false
  document.title = `Environments of ${repository.name} · Taxiway`
  setText(byId('title'), `Environments of ${repository.name}`)
  setText(byId('repository'), repository.name)
  byId('repository').href = `/?repo=${encodeURIComponent(repository.name)}`
  setText(byId('count'), `${items.length} environments`)
  byId('none').hidden = items.length > 0
  const list = byId('environments')
  const known = new Map([...list.children].map((entry) => [entry.dataset.key, entry]))
  for (const item of items) {
    let entry = known.get(item.name)
    known.delete(item.name)
    if (!entry) {
      entry = makeEnvironment(item.name)
      entry.open = items.length <= openAtFirst || decodeURIComponent(location.hash.slice(1)) === item.name
      entry.addEventListener('toggle', () => entry.open && readOne(item).catch(() => {}))
      list.append(entry)
      if (location.hash && entry.id === decodeURIComponent(location.hash.slice(1))) entry.scrollIntoView()
    }
    fillEnvironment(entry, item, {}, id)
  }
  for (const gone of known.values()) gone.remove()
}

/** Reads what only an open environment shows. */
async function readOne(item) {
  const entry = byId('environments').querySelector(`[data-key="${CSS.escape(item.name)}"]`)
  if (!entry?.open) return
  const path = `${base}/environments/${encodeURIComponent(item.name)}`
  const [state, changes, releases] = await Promise.all([
    item.live ? read(`${path}/state`) : undefined,
    item.live ? read(`${path}/changes`) : undefined,
    read(`${path}/releases`),
  ])
  fillEnvironment(entry, item, { state, changes: changes?.items, releases: releases?.items }, id)
}

setInterval(tick, 1000)
keepFresh(refresh, pollMs)
