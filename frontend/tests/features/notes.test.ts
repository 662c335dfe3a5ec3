import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import * as Y from 'yjs'
import { fromBase64, toBase64 } from '../../src/features/notes/base64'
import type { Kept } from '../../src/features/notes/kept'
import { NoteSession } from '../../src/features/notes/session'
import { RequestFailed, type ChatSocket } from '../../src/socket'
import type { FeatureFrame } from '../../src/protocol'

const asked = vi.hoisted(() => ({ by: null as null | ((frame: FeatureFrame) => Promise<unknown>) }))
vi.mock('../../src/features/client', () => ({ request: (frame: FeatureFrame) => asked.by!(frame) }))

/** The server's side of one note: its stored updates, and the answers it withholds. */
class Server {
  doc = new Y.Doc()
  connected = true
  refuse: string | null = null
  updates = 0
  /** bytes of the note */
  room = 600_000
  private readonly handlers = new Map<string, ((value: never) => void)[]>()
  readonly socket = {
    on: (name: string, handler: (value: never) => void) => {
      this.handlers.set(name, [...(this.handlers.get(name) ?? []), handler])
      return () => undefined
    },
  } as unknown as ChatSocket

  constructor() {
    asked.by = async (frame) => this.answer(frame as unknown as Record<string, string>)
  }

  get text(): string {
    return this.doc.getText('text').toString()
  }

  private async answer({ type, vector, update }: Record<string, string>): Promise<unknown> {
    await Promise.resolve()
    if (!this.connected) throw new RequestFailed('disconnected', '')
    if (this.refuse) throw new RequestFailed(this.refuse, '')
    if (type === 'note.open') {
      const lacks = Y.encodeStateAsUpdate(this.doc, fromBase64(vector!))
      return { update: toBase64(lacks), vector: toBase64(Y.encodeStateVector(this.doc)) }
    }
    if (type === 'note.update') {
      const { length } = fromBase64(update!)
      if (length > 131_072 || Y.encodeStateAsUpdate(this.doc).length + length > this.room) throw new RequestFailed('too_long', '')
      this.updates += 1
      Y.applyUpdate(this.doc, fromBase64(update!))
    }
    return {}
  }

  emit(name: string, value: unknown): void {
    this.handlers.get(name)?.forEach((handler) => handler(value as never))
  }

  cut(): void {
    this.connected = false
    this.emit('state', { name: 'waiting' })
  }

  mend(): void {
    this.connected = true
    this.emit('hello', {})
  }
}

let server: Server
let session: NoteSession
const settled = () => vi.advanceTimersByTimeAsync(3_000)

beforeEach(async () => {
  vi.useFakeTimers()
  server = new Server()
  session = new NoteSession(server.socket, 'lobby', 7)
  await session.open()
})
afterEach(() => vi.useRealTimers())

describe('a note', () => {
  it('sends what is typed, many keys in one update while one is on its way', async () => {
    for (const letter of 'hello') session.text.insert(session.text.length, letter)
    expect(session.isSaved).toBe(false)
    await settled()
    expect(server.text).toBe('hello')
    expect(server.updates).toBe(2)
    expect([session.state, session.isSaved]).toEqual(['saved', true])
  })

  it('merges text from times without a connection', async () => {
    session.text.insert(0, 'both ')
    await settled()
    server.cut()
    session.text.insert(0, 'mine ')
    server.doc.getText('text').insert(5, 'theirs ')
    await settled()
    expect([session.state, session.isSaved]).toEqual(['opening', false])
    server.mend()
    await settled()
    expect(server.text).toBe(session.text.toString())
    expect(server.text.split(' ').sort().join(' ').trim()).toBe('both mine theirs')
    expect(session.state).toBe('saved')
  })

  it('sends in parts what one frame cannot hold', async () => {
    server.cut()
    for (let part = 0; part < 4; part += 1) session.text.insert(0, 'x'.repeat(60_000))
    server.mend()
    await settled()
    expect(server.text.length).toBe(240_000)
    expect(server.updates).toBe(4)
  })

  it('stores a paste of more bytes than a frame holds', async () => {
    session.text.insert(0, '字'.repeat(50_000))
    await settled()
    expect([server.text, server.updates, session.state]).toEqual(['字'.repeat(50_000), 2, 'saved'])
  })

  it('stores what an undo brings back, however large', async () => {
    const undo = new Y.UndoManager(session.text, { captureTimeout: 0 })
    for (let part = 0; part < 3; part += 1) session.text.insert(0, `${part}`.repeat(60_000))
    session.text.delete(0, 180_000)
    await settled()
    expect(server.text).toBe('')
    undo.undo()
    await settled()
    expect([server.text.length, session.state]).toEqual([180_000, 'saved'])
    expect(server.text).toBe(session.text.toString())
  })

  it('tries again after an edit once it was full', async () => {
    server.room = 1_000
    session.text.insert(0, 'x'.repeat(2_000))
    await settled()
    expect([session.state, server.text]).toEqual(['full', ''])
    session.text.delete(0, 1_990)
    await settled()
    expect([session.state, session.isSaved, server.text]).toEqual(['saved', true, 'x'.repeat(10)])
  })

  it.each(['rate_limited', 'unavailable', 'timeout', 'too_many'])('tries again after %s', async (code) => {
    server.refuse = code
    session.text.insert(0, 'x')
    await vi.advanceTimersByTimeAsync(100)
    expect(session.state).toBe('saving')
    server.refuse = null
    await settled()
    expect([server.text, session.state]).toEqual(['x', 'saved'])
  })

  it.each([['too_long', 'full'], ['not_a_member', 'gone'], ['no_such_room', 'gone'], ['no_such_target', 'gone'], ['feature_off', 'refused'], ['bad_frame', 'refused']])('says so after %s', async (code, state) => {
    server.refuse = code
    session.text.insert(0, 'x')
    await settled()
    expect(session.state).toBe(state)
  })

  it('takes pushes of its own note only, and survives unreadable ones', () => {
    const other = new Y.Doc()
    other.getText('text').insert(0, 'pushed')
    const update = toBase64(Y.encodeStateAsUpdate(other))
    vi.spyOn(console, 'warn').mockImplementation(() => undefined)
    server.emit('push', { type: 'note.update', room: 'lobby', note: 8, update })
    server.emit('push', { type: 'note.update', room: 'lobby', note: 7, update: 'AQID' })
    expect(session.text.toString()).toBe('')
    server.emit('push', { type: 'note.update', room: 'lobby', note: 7, update })
    expect(session.text.toString()).toBe('pushed')
  })
})

/** What is kept of a note between two pages. */
class Store {
  updates: Uint8Array[] = []
  unsent = false
  forgotten: false | 'stored' | 'gone' = false

  keep = (doc: Y.Doc): Kept => {
    const origin = {}
    doc.on('update', (update: Uint8Array, from: unknown) => {
      if (from !== origin) this.updates.push(update)
    })
    const loaded = Promise.resolve().then(() => {
      for (const update of this.updates) Y.applyUpdate(doc, update, origin)
      return this.unsent
    })
    return { loaded, origin, works: true, mark: (unsent) => (this.unsent = unsent), end: (forget) => (this.forgotten = forget) }
  }
}

describe('a note that is kept', () => {
  it('brings what an earlier page could not send, once', async () => {
    const store = new Store()
    const before = new NoteSession(server.socket, 'lobby', 7, store.keep)
    await before.open()
    server.cut()
    before.text.insert(0, 'offline ')
    await settled()
    expect([store.unsent, before.isSaved, before.isKept]).toEqual([true, false, true])
    server.doc.getText('text').insert(0, 'meanwhile ')
    // Another page, with the kept updates only.
    server.connected = true
    const later = new NoteSession(server.socket, 'lobby', 7, store.keep)
    expect(later.isSaved).toBe(false)
    await later.open()
    await settled()
    expect(server.text.trim().split(' ').sort()).toEqual(['meanwhile', 'offline'])
    expect(server.updates).toBe(1)
    expect(later.text.toString()).toBe(server.text)
    expect([later.state, later.isSaved, store.unsent]).toEqual(['saved', true, false])
  })

  it('brings more than a frame holds', async () => {
    const store = new Store()
    const before = new NoteSession(server.socket, 'lobby', 7, store.keep)
    await before.open()
    server.cut()
    for (let part = 0; part < 15; part += 1) before.text.insert(part * 10_000, `${part % 10}`.repeat(10_000))
    before.end()
    server.connected = true
    const later = new NoteSession(server.socket, 'lobby', 7, store.keep)
    await later.open()
    await settled()
    expect([server.text.length, later.state, later.isSaved, store.unsent]).toEqual([150_000, 'saved', true, false])
    expect(server.text).toBe(later.text.toString())
  })

  it('is forgotten once all is stored, and not before', async () => {
    const store = new Store()
    const one = new NoteSession(server.socket, 'lobby', 7, store.keep)
    await one.open()
    server.cut()
    one.text.insert(0, 'x')
    one.end()
    expect(store.forgotten).toBe(false)
    server.connected = true
    const other = new NoteSession(server.socket, 'lobby', 7, store.keep)
    await other.open()
    await settled()
    other.end()
    expect([store.forgotten, server.text]).toEqual(['stored', 'x'])
  })

  it('brings edits whose mark another tab took away', async () => {
    const store = new Store()
    const one = new NoteSession(server.socket, 'lobby', 7, store.keep)
    await one.open()
    server.cut()
    one.text.insert(0, 'x')
    one.end()
    store.unsent = false
    server.connected = true
    const other = new NoteSession(server.socket, 'lobby', 7, store.keep)
    await other.open()
    await settled()
    expect([server.text, server.updates]).toEqual(['x', 1])
  })

  it.each(['feature_off', 'unknown_type', 'forbidden', 'a code of a newer server'])('is not forgotten after %s, but sent once the server takes it', async (code) => {
    const store = new Store()
    const one = new NoteSession(server.socket, 'lobby', 7, store.keep)
    await one.open()
    server.refuse = code
    one.text.insert(0, 'x')
    await settled()
    expect([one.state, one.isSaved, store.unsent]).toEqual(['refused', false, true])
    one.end()
    expect(store.forgotten).toBe(false)
    const other = new NoteSession(server.socket, 'lobby', 7, store.keep)
    await other.open()
    expect(other.state).toBe('refused')
    server.refuse = null
    server.emit('features.updated', { features: ['polls'] })
    await settled()
    expect(server.text).toBe('')
    server.emit('features.updated', { features: ['polls', 'notes'] })
    await settled()
    expect([server.text, other.state]).toEqual(['x', 'saved'])
  })

  it.each(['not_a_member', 'no_such_room', 'no_such_target'])('is forgotten after %s', async (code) => {
    const store = new Store()
    const one = new NoteSession(server.socket, 'lobby', 7, store.keep)
    await one.open()
    server.refuse = code
    one.text.insert(0, 'x')
    await settled()
    one.end()
    expect(store.forgotten).toBe('gone')
  })

  it('tells that all is saved when it is', async () => {
    const said: boolean[] = []
    session.onState = (state) => state === 'saved' && said.push(session.isSaved)
    session.text.insert(0, 'x')
    await settled()
    expect(said).toEqual([true])
  })
})
