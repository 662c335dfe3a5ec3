import { call, path } from '../../api'
import type { Person } from '../../protocol'

export interface ListedNote {
  note: number
  title: string
  from: Person
  at: string
  edited_at: string | null
}

export interface Version {
  version: number
  at: string
  authors: Person[]
}

export function address(room: string): string {
  return `${path(room)}/notes`
}

export function listNotes(room: string, query: string, before?: number): Promise<{ notes: ListedNote[]; more: boolean }> {
  const fields = new URLSearchParams({ query, ...(before ? { before: String(before) } : {}) })
  return call('GET', `${address(room)}?${fields}`)
}

export function listVersions(room: string, note: number): Promise<{ versions: Version[]; more: boolean }> {
  return call('GET', `${address(room)}/${note}/versions`)
}

export function readVersion(room: string, note: number, version: number): Promise<Version & { text: string }> {
  return call('GET', `${address(room)}/${note}/versions/${version}`)
}

export function restoreVersion(room: string, note: number, version: number): Promise<object> {
  return call('POST', `${address(room)}/${note}/versions/${version}/restore`, {})
}
