import * as Y from 'yjs'
import type { PushFrame } from '../../protocol'
import { RequestFailed, type ChatSocket } from '../../socket'
import { request } from '../client'
import { fromBase64, toBase64 } from './base64'
import type { Kept } from './kept'
import { splitUpdate } from './split'

/** bytes of one frame's update; the server takes a little more */
const MAX_UPDATE = 100_000
/** A full note is opened again this long after the last key: deleted text may have made room. */
const FULL_PAUSE = 1_000
const REMOTE = 'server'
const TRY_AGAIN = ['rate_limited', 'unavailable', 'timeout', 'too_many']
/** The note is no more, or not this person's any more: only then are kept edits of no use. */
const GONE = ['not_a_member', 'no_such_room', 'no_such_target']

/**
 * `opening`: also without a connection; what is written is kept until there is one.
 * `refused`: for another reason than these, such as notes that are switched off; what is written is kept, too.
 */
export type NoteState = 'opening' | 'saved' | 'saving' | 'full' | 'refused' | 'gone'

interface Opened {
  update: string
  vector: string
}

/** A note's document and its way to the server. It lives on without an editor until everything is stored. */
export class NoteSession {
  readonly doc = new Y.Doc()
  readonly text = this.doc.getText('text')
  state: NoteState = 'opening'
  /** called with each change of `state` */
  onState: (state: NoteState) => void = () => undefined
  /** unconfirmed updates, oldest first; none larger than MAX_UPDATE */
  private unsent: Uint8Array[] = []
  private sending = false
  private readonly kept: Kept | undefined
  /** while kept edits are read, and then whether the server may lack some of them */
  private loading: boolean
  private unsentBefore = false
  private timer: ReturnType<typeof setTimeout> | undefined
  private readonly stops: (() => void)[]

  constructor(
    socket: ChatSocket,
    readonly room: string,
    readonly note: number,
    keep?: (doc: Y.Doc) => Kept,
  ) {
    this.kept = keep?.(this.doc)
    this.loading = this.kept !== undefined
    this.doc.on('update', (update: Uint8Array, origin: unknown) => {
      if (origin !== REMOTE && (this.kept === undefined || origin !== this.kept.origin)) this.send(update)
    })
    this.stops = [
      socket.on('hello', () => void this.open()),
      socket.on('features.updated', ({ features }) => {
        if (this.state === 'refused' && features.includes('notes')) void this.open()
      }),
      socket.on('state', ({ name }) => {
        if (name !== 'open') this.set('opening')
      }),
      socket.on('room.left', (left) => {
        if (left.room === room) this.set('gone')
      }),
      socket.on('push', (frame) => this.pushed(frame)),
    ]
  }

  get isSaved(): boolean {
    return !this.unsent.length && !this.sending && !this.loading && !this.unsentBefore
  }

  /** Whether edits that are not stored survive the page. */
  get isKept(): boolean {
    return this.kept?.works ?? false
  }

  /** Reads updates missing here, and sends updates that the server lacks: offline edits, too. */
  async open(): Promise<void> {
    clearTimeout(this.timer)
    await this.load()
    try {
      const vector = toBase64(Y.encodeStateVector(this.doc))
      const { update, vector: theirs } = await request<Opened>({ type: 'note.open', room: this.room, note: this.note, vector }, 'note.opened')
      this.apply(update)
      const lacks = Y.encodeStateAsUpdate(this.doc, fromBase64(theirs))
      const keptOnly = this.unsentBefore || (!this.unsent.length && holdsNewer(this.doc, fromBase64(theirs)))
      // One update of all that was written meanwhile, or as few as frames can hold.
      if (keptOnly || this.unsent.length) this.unsent = splitUpdate(lacks, MAX_UPDATE)
      this.unsentBefore = false
      this.set('saved')
      void this.flush()
    } catch (error) {
      this.failed(error, () => void this.open())
    }
  }

  /** Ends the session. Edits that are not stored are lost: ask `isSaved` before. */
  end(): void {
    clearTimeout(this.timer)
    this.stops.forEach((stop) => stop())
    this.kept?.end(this.state === 'gone' ? 'gone' : this.isSaved && 'stored')
    if (this.state === 'saved' || this.state === 'saving' || this.state === 'full') void request({ type: 'note.close', room: this.room, note: this.note }).catch(() => undefined)
    this.doc.destroy()
  }

  /** Reads, once, what an earlier page has kept. */
  private async load(): Promise<void> {
    if (!this.loading) return
    this.unsentBefore = (await this.kept?.loaded) ?? false
    this.loading = false
  }

  private send(update: Uint8Array): void {
    this.unsent.push(...splitUpdate(update, MAX_UPDATE))
    this.kept?.mark(true)
    if (this.state === 'full') this.later(() => void this.open(), FULL_PAUSE)
    else void this.flush()
  }

  private async flush(): Promise<void> {
    if (this.sending || !this.unsent.length || (this.state !== 'saved' && this.state !== 'saving')) return
    const [update, count] = merged(this.unsent)
    this.sending = true
    this.set('saving')
    try {
      await request({ type: 'note.update', room: this.room, note: this.note, update: toBase64(update) })
      this.unsent.splice(0, count)
      if (!this.unsent.length) this.kept?.mark(false)
      this.sending = false // listeners of `saved` may ask
      this.set(this.unsent.length ? 'saving' : 'saved')
    } catch (error) {
      this.failed(error, () => void this.flush())
      return
    } finally {
      this.sending = false
    }
    void this.flush()
  }

  private pushed(frame: PushFrame): void {
    const fields = frame as unknown as { type: string; room: string; note: number; update: string }
    if (fields.type === 'note.update' && fields.room === this.room && fields.note === this.note) this.apply(fields.update)
  }

  private apply(update: string): void {
    try {
      Y.applyUpdate(this.doc, fromBase64(update), REMOTE)
    } catch (error) {
      console.warn(error)
    }
  }

  private failed(error: unknown, again: () => void): void {
    const code = error instanceof RequestFailed ? error.code : ''
    if (code === 'disconnected') return // the next `hello` opens the note again
    if (code === 'too_long') return this.set('full')
    if (GONE.includes(code)) return this.set('gone')
    if (!TRY_AGAIN.includes(code)) return this.set('refused')
    this.later(again, 500 + Math.random() * 1_000)
  }

  private later(run: () => void, ms: number): void {
    clearTimeout(this.timer)
    this.timer = setTimeout(run, ms)
  }

  private set(state: NoteState): void {
    if (this.state === state || this.state === 'gone') return
    this.state = state
    this.onState(state)
  }
}

/** Whether a document holds insertions beyond a state vector: of a closed tab, say, whose mark another one took away. */
function holdsNewer(doc: Y.Doc, vector: Uint8Array): boolean {
  const theirs = Y.decodeStateVector(vector)
  return [...Y.decodeStateVector(Y.encodeStateVector(doc))].some(([client, clock]) => clock > (theirs.get(client) ?? 0))
}

/** As many updates as a frame holds in one, at least one, and how many they are. */
function merged(updates: Uint8Array[]): [update: Uint8Array, count: number] {
  let size = 0
  let count = 0
  for (const update of updates) {
    size += update.length
    if (count && size > MAX_UPDATE) break
    count += 1
  }
  return [count === 1 ? updates[0]! : Y.mergeUpdates(updates.slice(0, count)), count]
}
