import { call, path, type Page } from '../../api'
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

export async function listNotes(room: string, after: string | null): Promise<Page<ListedNote>> {
  const { notes, more } = await call<{ notes: ListedNote[]; more: boolean }>('GET', `${address(room)}${after ? `?before=${after}` : ''}`)
  return { items: notes, next: more ? String(notes.at(-1)!.note) : null }
}

export async function listVersions(room: string, note: number, after: string | null): Promise<Page<Version>> {
  const { versions, more } = await call<{ versions: Version[]; more: boolean }>('GET', `${address(room)}/${note}/versions${after ? `?before=${after}` : ''}`)
  return { items: versions, next: more ? String(versions.at(-1)!.version) : null }
}

export function readVersion(room: string, note: number, version: number): Promise<Version & { text: string }> {
  return call('GET', `${address(room)}/${note}/versions/${version}`)
}

export function restoreVersion(room: string, note: number, version: number): Promise<object> {
  return call('POST', `${address(room)}/${note}/versions/${version}/restore`, {})
}
