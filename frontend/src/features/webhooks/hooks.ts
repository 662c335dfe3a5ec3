import { call, path } from '../../api'

export interface Hook {
  id: number
  name: string
  created_by: string | null
  created_at: string
  /** messages that came through it */
  posts: number
  last_used_at: string | null
}

/** With its address, which is shown this once. */
export type MadeHook = Hook & { url: string }

export const MOST_HOOKS = 20
const address = (room: string) => `${path(room)}/hooks`

export const hooksOf = (room: string) => call<{ hooks: Hook[] }>('GET', address(room)).then(({ hooks }) => hooks)
export const makeHook = (room: string, name: string) => call<MadeHook>('POST', address(room), { name })
export const removeHook = (room: string, id: number) => call<void>('DELETE', `${address(room)}/${id}`)

/** What a person pastes into a terminal to try it. */
export function curlOf(url: string, text: string): string {
  return `curl -H 'Content-Type: application/json' -d '${JSON.stringify({ text }).replaceAll("'", String.raw`'\''`)}' '${url}'`
}
