/** Edits that the server has not stored survive a reload and a closed page: in IndexedDB, until it has. */
import { IndexeddbPersistence } from 'y-indexeddb'
import type * as Y from 'yjs'
import { unsentNotes, writeUnsent } from './unsent'

/** A note of a browser: whose, and which. */
export interface NotePlace {
  me: number
  room: string
  note: number
}

export interface Kept {
  /** the kept edits are in the document; true if the server may lack some of them */
  loaded: Promise<boolean>
  /** whether this browser keeps anything */
  works: boolean
  /** the origin of updates that come from here */
  origin: unknown
  /** says whether there is something that the server may lack */
  mark(unsent: boolean): void
  /** `forget`: the server has everything */
  end(forget: boolean): void
}

function nameOf({ me, room, note }: NotePlace): string {
  return `${me}/${note}/${room}`
}

/** The notes with unsent edits of a person in this browser. */
export function keptOf(me: number): { room: string; note: number }[] {
  return unsentNotes()
    .map((name) => name.split('/'))
    .filter(([owner]) => owner === String(me))
    .map(([, note, ...room]) => ({ note: Number(note), room: room.join('/') }))
}

/** Keeps a document from now on. Without IndexedDB, as in some private windows, nothing is kept. */
export function keep(doc: Y.Doc, place: NotePlace): Kept {
  const name = nameOf(place)
  let provider: IndexeddbPersistence | undefined
  let ended = false
  const kept: Kept = {
    loaded: canKeep().then(async (can) => {
      if (!can || ended) return false
      provider = new IndexeddbPersistence(`hubbub-note/${name}`, doc)
      kept.origin = provider
      await provider.whenSynced
      kept.works = true
      return unsentNotes().includes(name)
    }),
    origin: undefined,
    works: false,
    mark(unsent) {
      writeUnsent(name, unsent)
    },
    end(forget) {
      ended = true
      if (forget) writeUnsent(name, false)
      void (forget ? provider?.clearData() : provider?.destroy())
    },
  }
  return kept
}

function canKeep(): Promise<boolean> {
  return new Promise((resolve) => {
    try {
      const asked = indexedDB.open('hubbub-notes')
      asked.onsuccess = () => {
        asked.result.close()
        resolve(true)
      }
      asked.onerror = () => resolve(false)
    } catch {
      resolve(false)
    }
  })
}
