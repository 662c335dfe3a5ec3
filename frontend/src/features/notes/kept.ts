/** Edits that the server has not stored survive a reload and a closed page: in IndexedDB, until it has. */
import { IndexeddbPersistence } from 'y-indexeddb'
import * as Y from 'yjs'
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
  /** `forget`: the server has everything of this tab, or the note is gone */
  end(forget: false | 'stored' | 'gone'): void
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
  const store = `hubbub-note/${name}`
  const shared = share(store)
  let provider: IndexeddbPersistence | undefined
  let ended = false
  const kept: Kept = {
    loaded: Promise.all([canKeep(), shared]).then(async ([can]) => {
      if (!can || ended) return false
      provider = new IndexeddbPersistence(store, doc)
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
    async end(forget) {
      ended = true
      const mine = Y.encodeStateAsUpdate(doc) // it is destroyed before the store is read
      void provider?.destroy()
      const release = await shared
      await release()
      if (!forget) return
      await ifAlone(store, async () => {
        // A tab that was closed before it could send leaves edits that this one has never seen.
        const left = forget === 'stored' && provider !== undefined && (await holdsMore(store, mine))
        writeUnsent(name, left)
        if (!left) await provider?.clearData()
      })
    },
  }
  return kept
}

/** Whether a store holds something that a document's state lacks, deletions included. */
async function holdsMore(store: string, state: Uint8Array): Promise<boolean> {
  const both = new Y.Doc()
  Y.applyUpdate(both, state)
  const before = Y.snapshot(both)
  const reader = new IndexeddbPersistence(store, both)
  await reader.whenSynced
  const more = !Y.equalSnapshots(before, Y.snapshot(both))
  await reader.destroy()
  return more
}

/** Says to the browser's other tabs that this one uses a store; resolves with what ends it. Where there are no locks nothing is said. */
function share(store: string): Promise<() => Promise<unknown>> {
  return new Promise((resolve) => {
    const nothing = () => resolve(() => Promise.resolve())
    if (!navigator.locks) return nothing()
    const ended: Promise<unknown> = navigator.locks.request(store, { mode: 'shared' }, () => new Promise<void>((end) => resolve(() => (end(), ended))))
    ended.catch(nothing)
  })
}

/** Another tab's note would be kept no more if its store were deleted. */
async function ifAlone(store: string, run: () => Promise<void>): Promise<void> {
  if (!navigator.locks) return run()
  await navigator.locks.request(store, { ifAvailable: true }, (lock) => (lock ? run() : undefined))
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
