/** The HTTP side: JSON in, JSON out, errors as problem+json. */
import { t } from './i18n'
import type { Listed, Person } from './protocol'
import { noteServerTime } from './stores/clock'

export interface Room {
  slug: string
  title: string
  kind: 'public' | 'private' | 'direct'
  private: boolean
  /** highest seq of the room's log */
  head: number
  member: boolean
  /** my read mark, and how many messages are above it */
  upto: number
  unread: number
  /** how many of them name me; servers before it do not say */
  mentions?: number
  member_count: number
  /** the other person of a direct room */
  peer: Person | null
  role: 'owner' | 'member' | null
  /** when I became a member; who added me, unless I came by myself or they are gone */
  joined_at?: string | null
  added_by?: Person | null
  last_at: string | null
}

export interface Member extends Person {
  role: 'owner' | 'member'
}

export interface Page<Item> {
  items: Item[]
  /** where the next page begins; null at the end */
  next: string | null
}

interface PageQuery {
  query?: string
  after?: string | null
  limit?: number
}

export type RoomQuery = PageQuery & { room?: string; member?: boolean; added_by?: number | null }
/** `begins`: the beginning of a name */
export type MemberQuery = PageQuery & { begins?: string; role?: Member['role']; user?: number[] }

/** `kept`: private rooms that need `confirm`; `more`: one call did not do. */
export interface LeftRooms {
  left: string[]
  kept: string[]
  more: boolean
}

export interface FeatureState {
  name: string
  on: boolean
  /** switched off by the operator's FEATURES_OFF, which wins */
  by_operator: boolean
  off_by: string | null
  off_at: string | null
}

export interface FeatureList {
  features: FeatureState[]
  may_switch: boolean
}

/** An answer that is no success. `status` 0 means that no answer came. */
export class ApiError extends Error {
  constructor(
    readonly status: number,
    readonly code: string,
    message: string,
    /** field → what is wrong with it */
    readonly fields: Record<string, string> = {},
  ) {
    super(message)
  }
}

const ANSWER_TIMEOUT = 10_000
/** The rest of an answer that has begun: on a slow link a page of messages takes long. */
const BODY_TIMEOUT = 60_000
/** What has not been answered yet. */
const asking = new Set<AbortController>()

export const api = {
  me: () => call<{ user: Person }>('GET', '/api/me').then(({ user }) => user),
  myRooms,
  rooms: (query: RoomQuery) => page<'rooms', Room>('rooms', '/api/rooms', query),
  /** null for a room that is not there, or not for me */
  room: (slug: string): Promise<Room | null> => api.rooms({ room: slug, limit: 1 }).then(({ items }) => items[0] ?? null),
  createRoom: (room: { slug: string; title: string; private: boolean }) => call<Room>('POST', '/api/rooms', room),
  members: (slug: string, query: MemberQuery) => page<'members', Member>('members', `${path(slug)}/members`, query),
  invite: (slug: string, user: number | string) => call<Member>('POST', `${path(slug)}/members`, { user }),
  /** `confirm`: also the last member of a private room, which then stays closed. */
  removeMember: (slug: string, id: number, confirm = false) =>
    call<void>('DELETE', `${path(slug)}/members/${id}${confirm ? '?confirm=true' : ''}`),
  changeRole: (slug: string, id: number, role: Member['role']) => call<Member>('PATCH', `${path(slug)}/members/${id}`, { role }),
  /** the seq of the first event since a time; head + 1 for none */
  firstSince: (slug: string, since: string) => call<{ room: string; seq: number }>('GET', `${path(slug)}/date?since=${encodeURIComponent(since)}`),
  /** unread messages that name me */
  mentions: () => call<{ mentions: { room: string; seq: number }[]; more: boolean }>('GET', '/api/mentions'),
  /** null for an unknown id */
  person: (id: number) => call<{ users: Person[] }>('GET', `/api/users?user=${id}`).then(({ users }) => users[0] ?? null),
  people: (query: PageQuery) => page<'users', Person>('users', '/api/users', query),
  /** `added_by`: every room that this person has added me to, 500 with one call. */
  leaveRooms: (which: { rooms: string[] } | { added_by: number }, confirm: boolean) =>
    call<LeftRooms>('POST', '/api/leave', { ...which, confirm }),
  /** At most 1,000, the limit of blocks. */
  blocks: () => call<{ users: Person[] }>('GET', '/api/blocks').then(({ users }) => users),
  block: (user: number) => call<Person>('POST', '/api/blocks', { user }),
  unblock: (user: number) => call<void>('DELETE', `/api/blocks/${user}`),
  messages: (slug: string, { limit, ...from }: { before: number; limit: number } | { after: number; limit: number }) => {
    const [[side, seq]] = Object.entries(from) as [[string, number]]
    return call<{ messages: Listed[]; more: boolean }>('GET', `${path(slug)}/messages?${side}=${seq}&limit=${limit}`)
  },
  /** every feature of the installation, also disabled ones */
  features: () => call<FeatureList>('GET', '/api/features'),
  switchFeature: (name: string, on: boolean) => call<FeatureList>('PATCH', `/api/features/${encodeURIComponent(name)}`, { on }),
  /** What was asked before is given up: it would be refused now. */
  signOut: () => {
    for (const request of asking) request.abort()
    return call<void>('DELETE', '/api/session')
  },
}

/** id of the person this page is for; the browser's cookie may be another person's by now */
let caller: number | null = null
let onOtherUser: () => void = () => undefined

/** From now on each call names this person; `otherUser` is called when the server refuses it because another person is signed in. */
export function callAs(id: number, otherUser: () => void): void {
  caller = id
  onOtherUser = otherUser
}

/** The headers of a call that changes something. */
export function callHeaders(): Record<string, string> {
  return { ...callerHeader(), 'X-CSRFToken': cookie('csrftoken') }
}

function callerHeader(): Record<string, string> {
  return caller === null ? {} : { 'Hubbub-User': String(caller) }
}

/** Call it with the code of every refused call. */
export function noteRefusal(code: unknown): void {
  if (code === 'other_user') onOtherUser()
}

const PAGES = 5

/** My rooms, and the first public ones I may join; at most PAGES pages. */
async function myRooms(): Promise<Room[]> {
  const rooms: Room[] = []
  let after: string | null = null
  for (let number = 0; number < PAGES; number++) {
    const { items, next }: Page<Room> = await api.rooms({ limit: number ? 500 : 100, after })
    rooms.push(...items)
    // Mine come first: behind a public one there are none.
    if (!next || items.some(({ member }) => !member)) break
    after = next
  }
  return rooms
}

async function page<Name extends string, Item>(name: Name, url: string, query: object): Promise<Page<Item>> {
  const fields = Object.entries(query).flatMap(([field, value]: [string, unknown]) => [value].flat().map((one) => [field, one]))
  const given = fields.filter(([, value]) => value !== undefined && value !== null && value !== '')
  const search = new URLSearchParams(given.map(([field, value]) => [String(field), String(value)]))
  const answer = await call<Record<Name, Item[]> & { next?: string | null }>('GET', `${url}?${search.toString()}`)
  return { items: answer[name], next: answer.next ?? null }
}

export function path(slug: string): string {
  return `/api/rooms/${encodeURIComponent(slug)}`
}

/** @throws ApiError */
export async function call<Answer>(method: string, url: string, body?: unknown): Promise<Answer> {
  const headers: Record<string, string> = { Accept: 'application/json', ...(method === 'GET' ? callerHeader() : callHeaders()) }
  if (body !== undefined) headers['Content-Type'] = 'application/json'
  const { status, ok, text } = await exchange(url, { method, headers, body: body === undefined ? null : JSON.stringify(body) })
  if (!ok) throw problem(status, text)
  return (status === 204 ? undefined : JSON.parse(text)) as Answer
}

/** @throws ApiError with status 0 */
async function exchange(url: string, request: RequestInit): Promise<{ status: number; ok: boolean; text: string }> {
  const patience = new AbortController()
  asking.add(patience)
  let timer = setTimeout(() => patience.abort(), ANSWER_TIMEOUT)
  try {
    const response = await fetch(url, { ...request, credentials: 'same-origin', signal: patience.signal })
    noteServerTime(response.headers.get('date'))
    clearTimeout(timer)
    timer = setTimeout(() => patience.abort(), BODY_TIMEOUT)
    return { status: response.status, ok: response.ok, text: await response.text() }
  } catch {
    throw new ApiError(0, 'unreachable', t('errors.unreachable'))
  } finally {
    clearTimeout(timer)
    asking.delete(patience)
  }
}

function problem(status: number, text: string): ApiError {
  const { code, detail, title, errors } = parsed(text)
  noteRefusal(code)
  const message = [detail, title].find((part) => typeof part === 'string' && part) ?? t('errors.unknown')
  return new ApiError(status, String(code ?? status), String(message), fieldErrors(errors))
}

/** Empty for a proxy's answer in HTML. */
function parsed(text: string): Record<string, unknown> {
  try {
    return (JSON.parse(text) ?? {}) as Record<string, unknown>
  } catch {
    return {}
  }
}

/** Servers name fields either way: `{field: ["…"]}` or `[{loc: [..., field], msg}]`. */
function fieldErrors(errors: unknown): Record<string, string> {
  if (Array.isArray(errors)) {
    return Object.fromEntries(
      errors.map((error: { loc?: unknown[]; field?: string; msg?: string; message?: string }) => [
        error.field ?? String(error.loc?.at(-1) ?? ''),
        error.msg ?? error.message ?? '',
      ]),
    )
  }
  if (typeof errors !== 'object' || errors === null) return {}
  return Object.fromEntries(Object.entries(errors).map(([field, text]) => [field, [text].flat().join(' ')]))
}

/** A cookie that scripts may read. */
export function cookie(name: string): string {
  const entry = document.cookie.split('; ').find((pair) => pair.startsWith(`${name}=`))
  return entry ? decodeURIComponent(entry.slice(name.length + 1)) : ''
}
