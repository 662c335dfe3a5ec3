/**
 * Every frame of the native dialect (`/ws/`), as docs/protocol.md explains it.
 * Written by `make protocol` from the server's structs.
 *
 * Ids of people are integers, `at` is RFC 3339 in UTC, `seq` counts 1, 2, 3, … in each room, lists run oldest first.
 */

export type FrameId = string | number

export interface AskedQuestion {
  kind: 'scale' | 'several' | 'single' | 'text'
  text: string
  options?: string[]
}

export interface ChessState {
  fen: string
  moves: string[]
  san: string[]
  white: Player
  black: Player | null
  clocks: Clocks
  turn: 'black' | 'white' | null
  result: '*' | '0-1' | '1-0' | '1/2-1/2' | null
  reason: string | null
  seconds: number
  increment: number
  opponent: number | null
  draw: 'black' | 'white' | null
  check: boolean
  legal: string[]
}

export interface Clocks {
  white: number
  black: number
  at: string | null
}

export interface Found {
  room: string
  seq: number
  from: Person
  at: string
  text: string
  highlights: [number, number][]
}

export interface Limits {
  text: number
  frame: number
  rate: number
}

export interface LocationState {
  until: string
  ended: boolean
}

export interface MessageFile {
  id: string
  name: string
  size: number
  type: string
  url: string
  width?: number
  height?: number
  thumbnail?: string
}

export interface Person {
  id: number
  name: string
}

export interface Player {
  id: number
  name: string
}

export interface PollState {
  question: string
  options: string[]
  multiple: boolean
  secret: boolean
  closes_at: string | null
  closed: boolean
  tally: number[]
  voters: number
  votes: Record<string, number[]>
}

export interface Question {
  text: string
  choices: string[]
  right: number
  seconds: number
}

export interface QuestionState {
  index: number
  text: string
  choices: string[]
  seconds: number
  asked_at: string
  until: string | null
  right: number | null
  counts: number[] | null
}

export interface Quiet {
  from: string
  to: string
  zone: string
}

export interface QuizState {
  title: string
  count: number
  phase: 'asked' | 'ended' | 'lobby' | 'revealed'
  question: QuestionState | null
  answered: number
  players: number
  scores: Score[]
}

export interface Quote {
  seq: number
  from: Person
  text: string
  alias?: string
}

export interface ReadingIn {
  sensor_id: string
  value: number
  at?: string | null
}

export interface Score {
  id: number
  name: string
  score: number
}

export interface SurveyState {
  title: string
  questions: SurveyStateQuestion[]
  secret: boolean
  closes_at: string | null
  closed: boolean
  people: number
  counts: number[][]
}

export interface SurveyStateQuestion {
  kind: 'scale' | 'several' | 'single' | 'text'
  text: string
  options?: string[]
}

export type ErrorCode =
  | 'bad_json'
  | 'bad_frame'
  | 'unknown_type'
  | 'not_a_member'
  | 'no_such_room'
  | 'no_such_target'
  | 'forbidden'
  | 'feature_off'
  | 'too_long'
  | 'too_many'
  | 'empty'
  | 'closed'
  | 'overtaken'
  | 'rate_limited'
  | 'unavailable'
  | 'illegal_move'
  | 'not_your_turn'

export interface MessageEvent {
  type: 'message'
  room: string
  seq: number
  from: Person
  at: string
  text: string
  edited: boolean
  deleted: boolean
  reactions: Record<string, number[]>
  reply_to?: Quote
  mentions?: number[]
  alias?: string
  bot?: true
  files?: MessageFile[]
  key?: string
}

export interface MessageEditedEvent {
  type: 'message.edited'
  room: string
  seq: number
  from: Person
  at: string
  target: number
  text: string
  key?: string
}

export interface MessageDeletedEvent {
  type: 'message.deleted'
  room: string
  seq: number
  from: Person
  at: string
  target: number
  key?: string
}

export interface ReactionEvent {
  type: 'reaction'
  room: string
  seq: number
  from: Person
  at: string
  target: number
  emoji: string
  on: boolean
  key?: string
}

export interface LocationEvent {
  type: 'location'
  room: string
  seq: number
  from: Person
  at: string
  until: string
  ended: boolean
  key?: string
}

export interface LocationEndedEvent {
  type: 'location.ended'
  room: string
  seq: number
  from: Person
  at: string
  target: number
  state: LocationState
  key?: string
}

export interface PollEvent {
  type: 'poll'
  room: string
  seq: number
  from: Person
  at: string
  question: string
  options: string[]
  multiple: boolean
  secret: boolean
  closes_at: string | null
  closed: boolean
  tally: number[]
  voters: number
  votes: Record<string, number[]>
  key?: string
}

export interface PollVotedEvent {
  type: 'poll.voted'
  room: string
  seq: number
  from: Person
  at: string
  target: number
  state: PollState
  key?: string
}

export interface PollClosedEvent {
  type: 'poll.closed'
  room: string
  seq: number
  from: Person
  at: string
  target: number
  state: PollState
  key?: string
}

export interface SurveyEvent {
  type: 'survey'
  room: string
  seq: number
  from: Person
  at: string
  title: string
  questions: SurveyStateQuestion[]
  secret: boolean
  closes_at: string | null
  closed: boolean
  people: number
  counts: number[][]
  key?: string
}

export interface SurveyAnsweredEvent {
  type: 'survey.answered'
  room: string
  seq: number
  from: Person
  at: string
  target: number
  state: SurveyState
  key?: string
}

export interface SurveyClosedEvent {
  type: 'survey.closed'
  room: string
  seq: number
  from: Person
  at: string
  target: number
  state: SurveyState
  key?: string
}

export interface QuizEvent {
  type: 'quiz'
  room: string
  seq: number
  from: Person
  at: string
  title: string
  count: number
  phase: 'asked' | 'ended' | 'lobby' | 'revealed'
  question: QuestionState | null
  answered: number
  players: number
  scores: Score[]
  key?: string
}

export interface QuizAskedEvent {
  type: 'quiz.asked'
  room: string
  seq: number
  from: Person
  at: string
  target: number
  state: QuizState
  question: number
  key?: string
}

export interface QuizAnsweredEvent {
  type: 'quiz.answered'
  room: string
  seq: number
  from: Person
  at: string
  target: number
  state: QuizState
  key?: string
}

export interface QuizRevealedEvent {
  type: 'quiz.revealed'
  room: string
  seq: number
  from: Person
  at: string
  target: number
  state: QuizState
  question: number
  key?: string
}

export interface QuizEndedEvent {
  type: 'quiz.ended'
  room: string
  seq: number
  from: Person
  at: string
  target: number
  state: QuizState
  key?: string
}

export interface NoteEvent {
  type: 'note'
  room: string
  seq: number
  from: Person
  at: string
  title: string
  key?: string
}

export interface ChessEvent {
  type: 'chess'
  room: string
  seq: number
  from: Person
  at: string
  fen: string
  moves: string[]
  san: string[]
  white: Player
  black: Player | null
  clocks: Clocks
  turn: 'black' | 'white' | null
  result: '*' | '0-1' | '1-0' | '1/2-1/2' | null
  reason: string | null
  seconds: number
  increment: number
  opponent: number | null
  draw: 'black' | 'white' | null
  check: boolean
  legal: string[]
  key?: string
}

export interface ChessAcceptedEvent {
  type: 'chess.accepted'
  room: string
  seq: number
  from: Person
  at: string
  target: number
  state: ChessState
  key?: string
}

export interface ChessMovedEvent {
  type: 'chess.moved'
  room: string
  seq: number
  from: Person
  at: string
  target: number
  state: ChessState
  move: string
  key?: string
}

export interface ChessDrawOfferedEvent {
  type: 'chess.draw_offered'
  room: string
  seq: number
  from: Person
  at: string
  target: number
  state: ChessState
  offered: boolean
  key?: string
}

export interface ChessEndedEvent {
  type: 'chess.ended'
  room: string
  seq: number
  from: Person
  at: string
  target: number
  state: ChessState
  key?: string
}

/** Events of all kinds; a newer server may have more. */
export type KnownEvent =
  | MessageEvent
  | MessageEditedEvent
  | MessageDeletedEvent
  | ReactionEvent
  | LocationEvent
  | LocationEndedEvent
  | PollEvent
  | PollVotedEvent
  | PollClosedEvent
  | SurveyEvent
  | SurveyAnsweredEvent
  | SurveyClosedEvent
  | QuizEvent
  | QuizAskedEvent
  | QuizAnsweredEvent
  | QuizRevealedEvent
  | QuizEndedEvent
  | NoteEvent
  | ChessEvent
  | ChessAcceptedEvent
  | ChessMovedEvent
  | ChessDrawOfferedEvent
  | ChessEndedEvent

export type KnownListed =
  | MessageEvent
  | LocationEvent
  | PollEvent
  | SurveyEvent
  | QuizEvent
  | NoteEvent
  | ChessEvent

export interface Hello {
  type: 'hello'
  protocol: 1
  user: Person
  heartbeat: number
  limits: Limits
  epoch: string
  features: string[]
  stream?: string
}

export interface RoomJoined {
  type: 'room.joined'
  re: FrameId | null
  room: string
  head: number
  events: KnownEvent[]
  more: boolean
  member_count: number
  online_count: number
  online: Person[]
  away: number[]
  epoch: string
}

export interface MessageSent {
  type: 'message.sent'
  re: FrameId | null
  room: string
  seq: number
  at: string
  duplicate: boolean
}

export interface Stored {
  type: 'stored'
  re: FrameId | null
  room: string
  seq: number
  at: string
  duplicate: boolean
}

export interface HistoryPage {
  type: 'history.page'
  re: FrameId | null
  room: string
  messages: KnownListed[]
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
  away?: number[]
  back?: number[]
}

export interface Read {
  type: 'read'
  room: string
  user: Person
  upto: number
}

export interface Unread {
  type: 'unread'
  room: string
  head: number
  upto: number
  count: number
  mentions: number
}

export interface RoomAdded {
  type: 'room.added'
  room: string
  title: string
  kind: 'direct' | 'private' | 'public'
  private: boolean
  head: number
  upto: number
}

export interface RoomUpdated {
  type: 'room.updated'
  room: string
  title: string
  kind: 'direct' | 'private' | 'public'
  private: boolean
}

export interface RoomLeft {
  type: 'room.left'
  room: string
  reason: 'deleted' | 'left' | 'removed'
}

export interface UserUpdated {
  type: 'user.updated'
  user: Person
}

export interface BlocksUpdated {
  type: 'blocks.updated'
}

export interface FeaturesUpdated {
  type: 'features.updated'
  features: string[]
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

export interface ListPage {
  type: 'list.page'
  re: FrameId | null
  room: string
  list: string
  query: string
  items: Record<string, unknown>[]
  next: string | null
}

export interface Typing {
  type: 'typing'
  room: string
  user: Person
}

export interface SearchResults {
  type: 'search.results'
  re: FrameId | null
  query: string
  results: Found[]
  more: boolean
}

export interface NoteOpened {
  type: 'note.opened'
  re: FrameId | null
  room: string
  note: number
  update: string
  vector: string
  number: number
}

export interface NoteUpdate {
  type: 'note.update'
  room: string
  note: number
  number: number
  from: Person
  update: string
}

export interface Notify {
  type: 'notify'
  reason: 'all' | 'direct' | 'mention'
  room: string
  target: number
  from: Person
  at: string
  text: string
  title?: string
}

export interface NotifyClaimed {
  type: 'notify.claimed'
  re: FrameId | null
  first: boolean
}

export interface Notifications {
  type: 'notifications'
  sound: boolean
  browser: boolean
  quiet: Quiet | null
  digest: 'daily' | 'hourly' | 'off'
  email: string | null
  email_confirmed: boolean
  mail: boolean
  rooms: Record<string, 'all' | 'mentions' | 'nothing'>
  push_key: string | null
}

/** Values of live topics, by topic. */
export interface LiveValues {
  location: {
    latitude: number
    longitude: number
    accuracy: number | null
  }
  sensor: unknown
  'note.cursor': {
    note: number
    client: number
    anchor: string | null
    head: string | null
  }
}

export type KnownServerFrame =
  | Hello
  | RoomJoined
  | MessageSent
  | Stored
  | HistoryPage
  | Ok
  | Pong
  | ErrorFrame
  | Presence
  | Read
  | Unread
  | RoomAdded
  | RoomUpdated
  | RoomLeft
  | UserUpdated
  | BlocksUpdated
  | FeaturesUpdated
  | Gap
  | Drain
  | ListPage
  | Typing
  | SearchResults
  | NoteOpened
  | NoteUpdate
  | Notify
  | NotifyClaimed
  | Notifications
  | KnownEvent

export type ActivityFrame = {
  type: 'activity'
  state: 'active' | 'away'
  id?: FrameId | null
}

export type PingFrame = {
  type: 'ping'
  id?: FrameId | null
}

export type ListFilterFrame = {
  type: 'list.filter'
  room: string
  list: string
  query: string
  after?: string | null
  limit?: number
  id?: FrameId | null
}

export type RoomJoinFrame = {
  type: 'room.join'
  room: string
  after?: number | null
  id?: FrameId | null
}

export type RoomLeaveFrame = {
  type: 'room.leave'
  room: string
  id?: FrameId | null
}

export type MessageSendFrame = {
  type: 'message.send'
  key: string
  text: string
  room?: string | null
  to?: number | string | null
  alias?: string
  reply_to?: number | null
  id?: FrameId | null
  files?: string[] | null
}

export type MessageEditFrame = {
  type: 'message.edit'
  room: string
  target: number
  text: string
  key: string
  id?: FrameId | null
}

export type MessageDeleteFrame = {
  type: 'message.delete'
  room: string
  target: number
  key: string
  id?: FrameId | null
}

export type MessageReactFrame = {
  type: 'message.react'
  room: string
  target: number
  emoji: string
  on: boolean
  key: string
  id?: FrameId | null
}

export type HistoryFrame = {
  type: 'history'
  room: string
  before?: number | null
  after?: number | null
  limit?: number
  id?: FrameId | null
}

export type ReadFrame = {
  type: 'read'
  room: string
  upto: number
  id?: FrameId | null
}

export type TypingFrame = {
  type: 'typing'
  room: string
  id?: FrameId | null
}

export type LocationShareFrame = {
  type: 'location.share'
  room: string
  key: string
  seconds: number
  id?: FrameId | null
}

export type LocationUpdateFrame = {
  type: 'location.update'
  room: string
  latitude: number
  longitude: number
  accuracy?: number | null
  id?: FrameId | null
}

export type LocationStopFrame = {
  type: 'location.stop'
  room: string
  target: number
  key: string
  id?: FrameId | null
}

export type SensorPushFrame = {
  type: 'sensor.push'
  room: string
  readings: ReadingIn[]
  id?: FrameId | null
}

export type PollCreateFrame = {
  type: 'poll.create'
  room: string
  key: string
  question: string
  options: string[]
  multiple?: boolean
  secret?: boolean
  closes_at?: string | null
  id?: FrameId | null
}

export type PollVoteFrame = {
  type: 'poll.vote'
  room: string
  key: string
  target: number
  choices: number[]
  id?: FrameId | null
}

export type PollCloseFrame = {
  type: 'poll.close'
  room: string
  key: string
  target: number
  id?: FrameId | null
}

export type SurveyCreateFrame = {
  type: 'survey.create'
  room: string
  key: string
  title: string
  questions: AskedQuestion[]
  secret?: boolean
  closes_at?: string | null
  id?: FrameId | null
}

export type SurveyAnswerFrame = {
  type: 'survey.answer'
  room: string
  key: string
  target: number
  answers: (number[] | number | string | null)[]
  id?: FrameId | null
}

export type SurveyCloseFrame = {
  type: 'survey.close'
  room: string
  key: string
  target: number
  id?: FrameId | null
}

export type QuizCreateFrame = {
  type: 'quiz.create'
  room: string
  key: string
  title: string
  questions: Question[]
  id?: FrameId | null
}

export type QuizStartFrame = {
  type: 'quiz.start'
  room: string
  key: string
  target: number
  id?: FrameId | null
}

export type QuizAnswerFrame = {
  type: 'quiz.answer'
  room: string
  key: string
  target: number
  question: number
  choice: number
  id?: FrameId | null
}

export type SearchFrame = {
  type: 'search'
  query: string
  room?: string | null
  before?: number | string | null
  limit?: number
  id?: FrameId | null
}

export type NoteCreateFrame = {
  type: 'note.create'
  room: string
  title: string
  key: string
  id?: FrameId | null
}

export type NoteOpenFrame = {
  type: 'note.open'
  room: string
  note: number
  vector?: string
  id?: FrameId | null
}

export type NoteUpdateFrame = {
  type: 'note.update'
  room: string
  note: number
  update: string
  id?: FrameId | null
}

export type NoteCloseFrame = {
  type: 'note.close'
  room: string
  note: number
  id?: FrameId | null
}

export type NoteCursorFrame = {
  type: 'note.cursor'
  room: string
  note: number
  client: number
  anchor?: string | null
  head?: string | null
  id?: FrameId | null
}

export type ChessOfferFrame = {
  type: 'chess.offer'
  room: string
  seconds: number
  increment: number
  key: string
  opponent?: number | string | null
  id?: FrameId | null
}

export type ChessAcceptFrame = {
  type: 'chess.accept'
  room: string
  target: number
  key: string
  id?: FrameId | null
}

export type ChessMoveFrame = {
  type: 'chess.move'
  room: string
  target: number
  move: string
  key: string
  id?: FrameId | null
}

export type ChessResignFrame = {
  type: 'chess.resign'
  room: string
  target: number
  key: string
  id?: FrameId | null
}

export type ChessDrawFrame = {
  type: 'chess.draw'
  room: string
  target: number
  action: 'accept' | 'decline' | 'offer'
  key: string
  id?: FrameId | null
}

export type NotifyClaimFrame = {
  type: 'notify.claim'
  room: string
  target: number
  id?: FrameId | null
}

/** What clients send; `id` comes back as `re`. */
export type KnownClientFrame =
  | ActivityFrame
  | PingFrame
  | ListFilterFrame
  | RoomJoinFrame
  | RoomLeaveFrame
  | MessageSendFrame
  | MessageEditFrame
  | MessageDeleteFrame
  | MessageReactFrame
  | HistoryFrame
  | ReadFrame
  | TypingFrame
  | LocationShareFrame
  | LocationUpdateFrame
  | LocationStopFrame
  | SensorPushFrame
  | PollCreateFrame
  | PollVoteFrame
  | PollCloseFrame
  | SurveyCreateFrame
  | SurveyAnswerFrame
  | SurveyCloseFrame
  | QuizCreateFrame
  | QuizStartFrame
  | QuizAnswerFrame
  | SearchFrame
  | NoteCreateFrame
  | NoteOpenFrame
  | NoteUpdateFrame
  | NoteCloseFrame
  | NoteCursorFrame
  | ChessOfferFrame
  | ChessAcceptFrame
  | ChessMoveFrame
  | ChessResignFrame
  | ChessDrawFrame
  | NotifyClaimFrame
