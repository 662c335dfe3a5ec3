/**
 * The chat's connection: one WebSocket for all rooms that reconnects by itself, resumes every joined room without a
 * missing or repeated event, and delivers messages written offline.
 *
 * No framework in here. `environment.ts` has the replaceable parts: WebSocket, clock, network events, storage, chance.
 */
import type {
  BlocksUpdated,
  ClientFrame,
  FeatureFrame,
  FeaturesUpdated,
  Hello,
  LiveFrame,
  LogEvent,
  Presence,
  PushFrame,
  Read,
  Reply,
  RoomAdded,
  RoomJoined,
  RoomLeft,
  RoomUpdated,
  ServerFrame,
  Typing,
  Unread,
  UserUpdated,
} from './protocol'
import { Connection, type ConnectionState } from './socket/connection'
import { Emitter } from './socket/emitter'
import {
  browserClock,
  browserNetwork,
  type Clock,
  type KeyValueStorage,
  type Network,
  type WireSocket,
} from './socket/environment'
import { Outbox, type Sent } from './socket/outbox'
import type { Destination, OutgoingFrame } from './socket/outgoing'
import type { FailureCode } from './socket/requests'
import { Resume } from './socket/resume'

export type { ConnectionState } from './socket/connection'
export { OutboxFull, type Sent } from './socket/outbox'
export type { Destination, OutgoingFrame } from './socket/outgoing'
export type { FailureCode } from './socket/requests'

export interface ChatSocketOptions {
  /** ws:// or wss:// address of the native dialect */
  url: string
  /**
   * id of the person signed in; separates the unsent messages of people who share a browser.
   * A greeting to someone else ends the connection like a close with 4010.
   */
  owner: string
  open?: (url: string) => WireSocket
  clock?: Clock
  network?: Network
  random?: () => number
  /** where unsent messages survive a reload; null keeps them in memory only */
  storage?: KeyValueStorage | null
}

export type ChatSocketEvents = {
  state: ConnectionState
  hello: Hello
  /** A joined room starts (again) from its latest messages, `events`; `more` means older history exists. */
  snapshot: RoomJoined
  /** The next events of a joined room: each exactly once, in `seq` order. */
  events: { room: string; events: LogEvent[] }
  /** A joined room has caught up; says who is there. */
  joined: RoomJoined
  /** The server does not let us into the room (any more). */
  lost: { room: string; code: FailureCode }
  outbox: OutgoingFrame[]
  sent: { frame: OutgoingFrame; sent: Sent }
  /** A frame was refused for good; it stays in the outbox until it is retried or discarded. */
  failed: OutgoingFrame
  presence: Presence
  typing: Typing
  read: Read
  unread: Unread
  'room.added': RoomAdded
  'room.updated': RoomUpdated
  /** The membership has ended; the room is not joined any more. */
  'room.left': RoomLeft
  'user.updated': UserUpdated
  'blocks.updated': BlocksUpdated
  'features.updated': FeaturesUpdated
  live: LiveFrame
  /** Whatever else the server sends: for features. */
  push: PushFrame
}

/** A request that did not succeed. `code` is one of the protocol, or `disconnected`, `timeout`, `busy`. */
export class RequestFailed extends Error {
  constructor(
    readonly code: FailureCode,
    message: string,
  ) {
    super(message)
  }
}

export class ChatSocket extends Emitter<ChatSocketEvents> {
  private readonly connection: Connection
  private readonly resume: Resume
  private readonly outbox: Outbox

  constructor(options: ChatSocketOptions) {
    super()
    const clock = options.clock ?? browserClock
    const random = options.random ?? Math.random
    this.connection = new Connection({
      url: options.url,
      open: options.open ?? ((url) => new WebSocket(url) as WireSocket),
      clock,
      random,
      network: options.network ?? browserNetwork,
      // Another person may have signed in with the browser's other tab since: the outbox and the page are not theirs.
      accepts: (hello) => String(hello.user.id) === options.owner,
      onState: (state) => this.stateChanged(state),
      onFrame: (frame) => this.received(frame),
    })
    this.resume = new Resume({
      request: (frame, done) => this.connection.request(frame, done),
      clock,
      random,
      onSnapshot: (joined) => this.emit('snapshot', joined),
      onEvents: (room, events) => this.emit('events', { room, events }),
      onJoined: (joined) => this.emit('joined', joined),
      onLost: (room, code) => this.emit('lost', { room, code }),
    })
    this.outbox = new Outbox({
      request: (frame, done) => this.connection.request(frame, done),
      clock,
      random,
      storage: options.storage ?? null,
      owner: options.owner,
      onChange: () => this.emit('outbox', this.outbox.list()),
      onSent: (frame, sent) => this.emit('sent', { frame, sent }),
      onFailed: (frame) => this.emit('failed', frame),
    })
  }

  get state(): ConnectionState {
    return this.connection.state
  }

  /** Connects and stays connected; while waiting for the next attempt: tries now. */
  connect(): void {
    this.connection.start()
  }

  /** Closes and stays closed. Messages sent meanwhile wait in the outbox. */
  disconnect(): void {
    this.connection.stop()
  }

  /** Receives the room's events from now on, across reconnects. */
  join(room: string): void {
    this.resume.join(room)
  }

  leave(room: string): void {
    if (!this.resume.has(room)) return
    this.resume.leave(room)
    this.connection.request({ type: 'room.leave', room }, () => undefined)
  }

  joined(room: string): boolean {
    return this.resume.has(room)
  }

  /** Highest seq of a joined room that has been handed on; null before its snapshot. */
  highest(room: string): number | null {
    return this.resume.highest(room)
  }

  /** Queues a message; works without a connection. @throws OutboxFull */
  send(destination: Destination, text: string, fields: Record<string, unknown> = {}): OutgoingFrame {
    return this.outbox.add(destination, 'message.send', { ...fields, text })
  }

  /** Queues a durable frame of any type; the outbox gives it its `key`. @throws OutboxFull */
  sendFrame({ type, room, ...fields }: FeatureFrame & { room: string }): OutgoingFrame {
    return this.outbox.add({ room }, type, fields)
  }

  unsent(): OutgoingFrame[] {
    return this.outbox.list()
  }

  retry(key: string): void {
    this.outbox.retry(key)
  }

  discard(key: string): void {
    this.outbox.discard(key)
  }

  /** Sends a frame without waiting for an answer; false without a connection. */
  post(frame: ClientFrame | FeatureFrame): boolean {
    return this.connection.post(frame)
  }

  /** @throws RequestFailed */
  request(frame: ClientFrame): Promise<Reply> {
    return this.ask(frame)
  }

  /** `request` for the frames of features. @throws RequestFailed */
  ask(frame: FeatureFrame): Promise<Reply> {
    return new Promise((resolve, reject) =>
      this.connection.request(frame, (outcome) =>
        outcome.ok ? resolve(outcome.reply) : reject(new RequestFailed(outcome.code, outcome.message)),
      ),
    )
  }

  private stateChanged(state: ConnectionState): void {
    if (state.name === 'open') {
      this.emit('hello', state.hello)
      this.emit('state', state)
      this.resume.open(state.hello.epoch)
      this.outbox.open(state.hello.limits.rate)
      return
    }
    this.resume.close()
    this.outbox.close()
    this.emit('state', state)
  }

  private received(frame: ServerFrame): void {
    switch (frame.type) {
      case 'presence':
      case 'typing':
      case 'read':
      case 'unread':
      case 'room.added':
      case 'room.updated':
      case 'user.updated':
      case 'blocks.updated':
      case 'features.updated':
      case 'live':
        this.emit(frame.type, frame as never)
        return
      case 'room.left':
        this.resume.leave(frame.room)
        return this.emit('room.left', frame)
      case 'gap':
        return this.resume.gap(frame.room)
      default:
        // Whatever carries a seq is part of the room's log, kinds this client does not know included.
        if ('re' in frame) return
        if ('seq' in frame) this.resume.accept(frame as LogEvent)
        else this.emit('push', frame as PushFrame)
    }
  }
}
