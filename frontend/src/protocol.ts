/**
 * Every frame of the native dialect (`/ws/`), as documented in docs/protocol.md.
 *
 * Ids of people are integers, `at` is RFC 3339 in UTC, `seq` counts 1, 2, 3, … in each room, lists run oldest first.
 */

export interface Person {
  id: number
  name: string
}

export type FrameId = string | number
/** emoji → ids of the people who reacted with it */
export type Reactions = Record<string, number[]>

interface Logged {
  room: string
  seq: number
  from: Person
  at: string
}

/** The message that another one answers; its text may be empty where it was deleted. */
export interface Quote {
  seq: number
  from: Person
  text: string
}

export interface MessageEvent extends Logged {
  type: 'message'
  text: string
  reply_to?: Quote
  edited: boolean
  deleted: boolean
  reactions: Reactions
  /** only on its author's own sockets */
  key?: string
}

export interface MessageEdited extends Logged {
  type: 'message.edited'
  target: number
  text: string
}

export interface MessageDeleted extends Logged {
  type: 'message.deleted'
  target: number
}

export interface ReactionEvent extends Logged {
  type: 'reaction'
  target: number
  emoji: string
  on: boolean
}

/** Stands for every type that is not in this file: TypeScript narrows a union by literals only. */
export type FeatureType = 'any other type'

/** An event of a feature, or of a kind that this page does not know. */
export interface FeatureEvent extends Logged {
  type: FeatureType
  /** only on its author's own sockets */
  key?: string
  /** the event that it amends, whose public state is now `state` */
  target?: number
  state?: Record<string, unknown>
  [field: string]: unknown
}

/** A feature's event with its own fields, as a row gets it. */
export type Thing<Fields = object> = Logged & { type: string; key?: string } & Fields

export type LogEvent = MessageEvent | MessageEdited | MessageDeleted | ReactionEvent | FeatureEvent
/** An event with a row of its own. */
export type Listed = MessageEvent | FeatureEvent

export interface Hello {
  type: 'hello'
  protocol: number
  user: Person
  /** seconds */
  heartbeat: number
  limits: { text: number; frame: number; rate: number }
  /** names of the features that are on; absent on servers without a registry */
  features?: string[]
}

export interface RoomJoined {
  type: 'room.joined'
  re: FrameId | null
  room: string
  head: number
  events: LogEvent[]
  more: boolean
  member_count: number
  online_count: number
  online: Person[]
  /** ids of those of `online` who are away */
  away: number[]
}

export interface MessageSent {
  type: 'message.sent'
  re: FrameId | null
  room: string
  seq: number
  at: string
  duplicate: boolean
}

/** The answer to a feature's durable frame. */
export interface Stored {
  type: 'stored'
  re: FrameId | null
  room: string
  seq: number
  at: string
  duplicate: boolean
}

/** A feature's own reply. */
export interface FeatureReply {
  type: FeatureType
  re: FrameId | null
  [field: string]: unknown
}

export interface HistoryPage {
  type: 'history.page'
  re: FrameId | null
  room: string
  messages: Listed[]
  more: boolean
}

export interface Ok {
  type: 'ok'
  re: FrameId | null
}

export interface Pong {
  type: 'pong'
  re: FrameId | null
}

export interface SearchResults {
  type: 'search.results'
  re: FrameId | null
  messages: MessageEvent[]
}

export type ErrorCode =
  | 'bad_json'
  | 'bad_frame'
  | 'unknown_type'
  | 'not_a_member'
  | 'no_such_room'
  | 'no_such_target'
  | 'forbidden'
  | 'too_long'
  | 'empty'
  | 'rate_limited'
  | 'unavailable'
  | 'too_many'
  | 'closed'
  // those of features
  | (string & {})

export interface ErrorFrame {
  type: 'error'
  re: FrameId | null
  code: ErrorCode
  message: string
}

export interface Presence {
  type: 'presence'
  room: string
  online_count: number
  joined: Person[]
  left: Person[]
  /** ids; only where somebody went away or came back */
  away?: number[]
  back?: number[]
}

export interface Typing {
  type: 'typing'
  room: string
  user: Person
}

export interface Read {
  type: 'read'
  room: string
  user: Person
  upto: number
}

interface RoomDetails {
  room: string
  /** empty for a room without one */
  title: string
  kind: 'public' | 'private' | 'direct'
  private: boolean
}

export interface RoomAdded extends RoomDetails {
  type: 'room.added'
  head: number
  upto: number
}

export interface RoomUpdated extends RoomDetails {
  type: 'room.updated'
}

export interface RoomLeft {
  type: 'room.left'
  room: string
  reason: 'removed' | 'left' | 'deleted'
}

export interface UserUpdated {
  type: 'user.updated'
  user: Person
}

export interface Unread {
  type: 'unread'
  room: string
  head: number
  upto: number
  count: number
  mentions: number
}

export interface Gap {
  type: 'gap'
  room: string
  head: number
}

export interface Drain {
  type: 'drain'
  after_ms: number
}

export interface LiveValue<Value = unknown> {
  key: string
  from: Person
  value: Value
  /** RFC 3339, both */
  at: string
  expires: string
}

/** Values that are no events: the newest of each key wins. */
export interface LiveFrame<Value = unknown> {
  type: 'live'
  room: string
  topic: string
  values: LiveValue<Value>[]
}

/** A frame of a feature that is no event and no reply. */
export interface PushFrame {
  type: FeatureType
  [field: string]: unknown
}

export type Reply = RoomJoined | MessageSent | Stored | HistoryPage | Ok | Pong | SearchResults | FeatureReply
export type Push = Presence | Typing | Read | RoomAdded | RoomUpdated | RoomLeft | UserUpdated | Unread | LiveFrame | PushFrame
export type ServerFrame = Hello | LogEvent | Reply | ErrorFrame | Push | Gap | Drain

export type ClientFrame =
  | { type: 'room.join'; room: string; after?: number }
  | { type: 'room.leave'; room: string }
  | ({ type: 'message.send'; key: string; text: string } & ({ room: string } | { to: number | string }))
  | { type: 'message.edit'; room: string; target: number; text: string; key: string }
  | { type: 'message.delete'; room: string; target: number; key: string }
  | { type: 'message.react'; room: string; target: number; emoji: string; on: boolean; key: string }
  | { type: 'history'; room: string; before?: number; after?: number; limit?: number }
  | { type: 'read'; room: string; upto: number }
  | { type: 'typing'; room: string }
  | { type: 'activity'; state: 'active' | 'away' }
  | { type: 'search'; query: string; room?: string }
  | { type: 'ping' }

/** A frame of a feature; `room` and whatever else it needs. */
export interface FeatureFrame {
  type: string
  [field: string]: unknown
}

/** Why the server closed the socket. */
export const Close = {
  INTERNAL: 4000,
  NO_CREDENTIALS: 4001,
  BAD_CREDENTIALS: 4003,
  TOO_SLOW: 4008,
  RATE_ABUSE: 4009,
  SIGNED_OUT: 4010,
  SERVICE_RESTART: 1012,
} as const

/** Coming back with the same credentials cannot succeed after these. */
export const REFUSALS: ReadonlySet<number> = new Set([
  Close.NO_CREDENTIALS,
  Close.BAD_CREDENTIALS,
  Close.SIGNED_OUT,
])
