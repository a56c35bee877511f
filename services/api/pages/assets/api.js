const deadlineMs = 10_000
const trouble = document.getElementById('trouble')

/**
 * Reads from the API with the cookie of the sign-in page; goes there when it is refused.
 * @returns the parsed body, or undefined when there is no such thing
 * @throws Error with a sentence for the reader
 */
export async function read(path) {
  const response = await fetch(`/api/v1${path}`, {
    headers: { accept: 'application/json' },
    signal: AbortSignal.timeout(deadlineMs),
  }).catch(() => {
    throw new Error('Taxiway does not answer. Trying again…')
  })
  if (response.status === 401) {
    location.replace(`/login?return_to=${encodeURIComponent(location.pathname + location.search)}`)
    return new Promise(() => {})
  }
  if (response.status === 404) return undefined
  const body = await response.json().catch(() => undefined)
  if (!response.ok) throw new Error(body?.error?.message ?? `Taxiway answered ${response.status}. Trying again…`)
  return body
}

/**
 * Acts through the API with a token that a person typed in, never with the cookie.
 * @throws Error with a sentence for the reader
 */
export async function act(path, body, token) {
  const response = await fetch(`/api/v1${path}`, {
    method: 'POST',
    credentials: 'omit',
    headers: { authorization: `Bearer ${token}`, 'content-type': 'application/json' },
    body: JSON.stringify(body),
    signal: AbortSignal.timeout(deadlineMs),
  }).catch(() => {
    throw new Error('Taxiway does not answer, or the token has characters that no token has.')
  })
  const answer = await response.json().catch(() => undefined)
  if (!response.ok) throw new Error(answer?.error?.message ?? `Taxiway answered ${response.status}.`)
  return answer
}

/** Calls `once` now and again, `everyMs` after it ended, while the page is seen, until it returns false. Shows what it throws. */
export async function keepFresh(once, everyMs) {
  for (;;) {
    try {
      if ((await once()) === false) return
    } catch (error) {
      tell(error.message)
    }
    await new Promise((resolve) => setTimeout(resolve, everyMs))
    await seen()
  }
}

/** Shows a sentence above the page; an empty one takes it away. */
export function tell(sentence) {
  if (trouble.textContent === sentence) return
  trouble.textContent = sentence
  trouble.hidden = sentence === ''
}

function seen() {
  if (!document.hidden) return undefined
  return new Promise((resolve) => document.addEventListener('visibilitychange', resolve, { once: true }))
}
