/**
 * Every frame of the native dialect (`/ws/`), as the page uses it. The types are the server's (protocol.gen.ts); a newer server may
 * have more events and frames, and features have their own.
 */
import type {
  BlocksUpdated,
  Drain,
  ErrorCode as KnownErrorCode,
  ErrorFrame as KnownError,
  FeaturesUpdated,
  FrameId,
  Gap,
  Hello,
  HistoryPage as KnownHistoryPage,
  KnownClientFrame,
  MessageDeletedEvent,
  MessageEditedEvent,
  MessageEvent,
  MessageSent,
  Ok,
  Person,
  Pong,
  Presence,
  ReactionEvent,
  Read,
  RoomAdded,
  RoomJoined as KnownRoomJoined,
  RoomLeft,
  RoomUpdated,
  Stored,
  Typing,
  Unread,
  UserUpdated,
} from './protocol.gen'

export type * from './protocol.gen'

/** emoji → ids of the people who reacted with it */
export type Reactions = MessageEvent['reactions']

type Logged = Pick<MessageEvent, 'room' | 'seq' | 'from' | 'at'>

/** Stands for every type that the core does not know: TypeScript narrows a union by literals only. */
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

export type LogEvent = MessageEvent | MessageEditedEvent | MessageDeletedEvent | ReactionEvent | FeatureEvent
/** An event with a row of its own. */
export type Listed = MessageEvent | FeatureEvent

export interface RoomJoined extends Omit<KnownRoomJoined, 'events'> {
  events: LogEvent[]
}

export interface HistoryPage extends Omit<KnownHistoryPage, 'messages'> {
  messages: Listed[]
}

/** A feature's own reply. */
export interface FeatureReply {
  type: FeatureType
  re: FrameId | null
  [field: string]: unknown
}

/** A newer server may have more. */
export type ErrorCode = KnownErrorCode | (string & {})

export interface ErrorFrame extends Omit<KnownError, 'code'> {
  code: ErrorCode
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

export type Reply = RoomJoined | MessageSent | Stored | HistoryPage | Ok | Pong | FeatureReply
export type Push = Presence | Typing | Read | RoomAdded | RoomUpdated | RoomLeft | UserUpdated | BlocksUpdated | FeaturesUpdated | Unread | LiveFrame | PushFrame
export type ServerFrame = Hello | LogEvent | Reply | ErrorFrame | Push | Gap | Drain

export type ClientFrame = KnownClientFrame

/** A frame of a feature: `room` and its own fields. */
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
