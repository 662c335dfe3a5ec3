/** What a feature's components use of the connection. */
import { computed, onBeforeUnmount, ref, type ComputedRef, type MaybeRefOrGetter, toValue } from 'vue'
import type { FeatureFrame, Hello, LiveFrame, LiveValue, PushFrame } from '../protocol'
import { RequestFailed, type ChatSocket, type OutgoingFrame, type Sent } from '../socket'
import { useConnection } from '../stores/connection'
import { useLiveValues } from '../stores/live'
import { useTimelines } from '../stores/timelines'
import { reasonOf } from '../ui/reasons'
import { toast } from '../ui/toasts'
import { allFeatures, hiddenKinds, isEnabled, outgoingOf, type Feature } from './registry'

const REPLY_TIMEOUT = 15_000
/** All open pages hear of a switch at once: they read their rooms again within this time. */
const REFRESH_WITHIN = 3_000

/**
 * Sends a frame and awaits its reply: `request<NoteOpened>({ type: 'note.open', room, note, vector }, 'note.opened')`.
 *
 * For what is not durable; see `sendDurable`. @throws RequestFailed with the protocol's code, `disconnected` or `timeout`
 */
export async function request<Reply = object>(frame: FeatureFrame, reply = 'ok'): Promise<Reply> {
  let timer: ReturnType<typeof setTimeout> | undefined
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new RequestFailed('timeout', 'The server did not answer in time.')), REPLY_TIMEOUT)
  })
  try {
    const answer = await Promise.race([useConnection().chat().ask(frame), late])
    if (answer.type !== reply) throw new RequestFailed('bad_reply', `${frame.type} was answered with ${answer.type}.`)
    return answer as Reply
  } finally {
    clearTimeout(timer)
  }
}

/**
 * Queues a durable frame in the outbox, which gives it its `key` and sends it once there is a connection, also after a reload.
 *
 * Resolves when the event is stored. A refusal rejects with RequestFailed; where the frame is not drawn it is also shown to the person, so the
 * promise need not be awaited. @throws OutboxFull
 */
export function sendDurable(frame: FeatureFrame & { room: string }): Promise<Sent> {
  const chat = useConnection().chat()
  const { key } = chat.sendFrame(frame)
  const stored = new Promise<Sent>((resolve, reject) => {
    const stops = [
      chat.on('sent', ({ frame: one, sent }) => one.key === key && settle(() => resolve(sent))),
      chat.on('failed', (one) => one.key === key && settle(() => reject(new RequestFailed(one.error!.code, reasonOf(one.error!))))),
    ]
    function settle(how: () => void): void {
      stops.forEach((stop) => stop())
      how()
    }
  })
  stored.catch(() => undefined)
  return stored
}

/** The values of a topic in a room, by key: `[...positions.value.values()]`. The topic must be among the feature's `live`. */
export function useLive<Value>(room: MaybeRefOrGetter<string>, topic: string): ComputedRef<ReadonlyMap<string, LiveValue<Value>>> {
  const live = useLiveValues()
  return computed(() => live.of(toValue(room), topic) as ReadonlyMap<string, LiveValue<Value>>)
}

/** Calls `handle` with each `live` frame of a topic while the component is there: for what draws by itself, as charts do. */
export function onLive(topic: string, handle: (frame: LiveFrame) => void): void {
  onBeforeUnmount(useConnection().chat().on('live', (frame) => frame.topic === topic && handle(frame)))
}

/** Calls `handle` with each pushed frame of a type while the component is there. */
export function onPush(type: string, handle: (frame: PushFrame) => void): void {
  onBeforeUnmount(useConnection().chat().on('push', (frame) => (frame.type as string) === type && handle(frame)))
}

/** The panel that a feature wants open; the room view opens it and sets it to null. */
export const wantedPanel = ref<string | null>(null)

/** Opens a panel beside the messages, by its id: from a row, say. */
export function openPanel(id: string): void {
  wantedPanel.value = id
}

/** The features that the server has turned on. */
export function useFeatures(): ComputedRef<Feature[]> {
  const connection = useConnection()
  return computed(() => allFeatures().filter((feature) => isEnabled(feature, connection.hello)))
}

/** Called once, when there is a socket. */
export function startFeatures(socket: ChatSocket, me: number): void {
  const features = allFeatures()
  const handlers = new Map(features.flatMap((feature) => Object.entries(feature.live ?? {})))
  useLiveValues().listen(socket, new Set(handlers.keys()))
  socket.on('live', (frame) => handlers.get(frame.topic)?.(frame))
  const pushes = new Map(features.flatMap((feature) => Object.entries(feature.pushes ?? {})))
  socket.on('push', (frame) => pushes.get(frame.type)?.(frame))
  socket.on('failed', (frame) => dropUndrawn(socket, frame))
  followSwitches(socket)
  for (const feature of features) feature.start?.(socket, me)
}

/** Rows of a feature that is switched off go, and come back when it is switched on. */
function followSwitches(socket: ChatSocket): void {
  const timelines = useTimelines()
  let hidden: Set<string> | null = null
  const follow = (hello: Hello | null): void => {
    if (!hello) return
    const now = hiddenKinds(hello)
    const before = hidden
    hidden = now
    if (!before) return
    if ([...now].some((kind) => !before.has(kind))) timelines.hide(now)
    if ([...before].some((kind) => !now.has(kind))) setTimeout(() => timelines.refresh(), Math.random() * REFRESH_WITHIN)
  }
  socket.on('hello', follow)
  socket.on('features.updated', () => follow(useConnection().hello))
}

const SIGN_OUT_MS = 2_000

/** Called before the person signs out. Neither fails nor takes longer than two seconds. */
export async function signOutFeatures(): Promise<void> {
  // Those that are off, too: they may have left something in this browser while they were on.
  const ends = allFeatures().map(async (feature) => feature.signOut?.())
  await Promise.race([Promise.allSettled(ends), new Promise((resolve) => setTimeout(resolve, SIGN_OUT_MS))])
}

/** A refused frame without a row would stay in the outbox for ever, unseen. */
function dropUndrawn(socket: ChatSocket, frame: OutgoingFrame): void {
  if (outgoingOf(frame.type)) return
  socket.discard(frame.key)
  toast(reasonOf(frame.error!), { kind: 'failure' })
}
