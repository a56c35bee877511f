import type { Api, ApiDeps } from '../app.ts'

/** Pages. */
export function pageRoutes(_app: Api, _deps: ApiDeps): void {}
