/** Sends this device's place to the rooms with which it is shared, at most once a second. */
import { watch } from 'vue'
import type { FeatureEvent } from '../../protocol'
import { RequestFailed } from '../../socket'
import { serverNow } from '../../stores/clock'
import { useConnection } from '../../stores/connection'
import { useLiveValues } from '../../stores/live'
import { toast } from '../../ui/toasts'
import { t } from '../../i18n'
import { request, sendDurable } from '../client'
import { kept, running, storeName, type Place, type Running } from './running'

const EVERY_MS = 1_000
/** a day: "until I stop" */
const LONGEST_S = 86_400

/** how long an ended place is newer than a late one */
const REMEMBERED_MS = 60_000
/** The share is over, or not mine any more. */
const OVER = ['closed', 'not_a_member', 'no_such_room']
/** The same place may be taken a moment later. */
const TRY_AGAIN = ['disconnected', 'rate_limited', 'unavailable', 'timeout']

interface Sender {
  waiting: Place | null
  timer: ReturnType<typeof setTimeout> | undefined
}

const senders = new Map<string, Sender>()
let watching: number | undefined

/** `seconds` 0: until stopped. `place`: a point of the map; null for the device's own place. @throws RequestFailed */
export async function begin(room: string, seconds: number, place: Place | null): Promise<void> {
  const { seq, at } = await sendDurable({ type: 'location.share', room, seconds })
  const until = new Date(Date.parse(at) + (seconds || LONGEST_S) * 1_000).toISOString()
  running.set(room, { seq, until, place, device: place === null })
  keep(room)
  if (place) send(room, place)
  watchDevice()
}

/** Ends this page's shares and the shares of the browser's other tabs, before the person signs out. */
export async function stopAll(): Promise<void> {
  const all = [...new Map([...running, ...stored()])]
  for (const [room, { seq }] of all) forget(room, seq)
  await Promise.allSettled(all.map(([room, { seq }]) => sendDurable({ type: 'location.stop', room, target: seq })))
}

export async function stop(room: string): Promise<void> {
  const share = running.get(room)
  forget(room)
  if (share) await sendDurable({ type: 'location.stop', room, target: share.seq })
}

/** Moves the point that is shared. */
export function move(room: string, place: Place): void {
  const share = running.get(room)
  if (!share) return
  running.set(room, { ...share, place, device: false })
  keep(room)
  send(room, place)
  watchDevice()
}

/** The share has ended. */
export function forget(room: string, seq = running.get(room)?.seq): void {
  running.delete(room)
  clearTimeout(senders.get(room)?.timer)
  senders.delete(room)
  keep(room, seq)
  watchDevice()
}

/** Shares have ended, maybe while this page was away: their places go. */
export function hear(room: string, events: FeatureEvent[]): void {
  for (const { target, from, at } of events) {
    const gone = { key: String(target), from, value: null, at, expires: new Date(serverNow() + REMEMBERED_MS).toISOString() }
    useLiveValues().take({ type: 'live', room, topic: 'location', values: [gone] })
    if (running.get(room)?.seq === target) forget(room)
  }
}

/** A share goes on after a reload. Where the device was is not kept. `ended`: the seq of the room's share that is over. */
function keep(room: string, ended?: number): void {
  // Other tabs keep theirs in the same place.
  const all = new Map(stored())
  const share = running.get(room)
  if (share) all.set(room, share.device ? { ...share, place: null } : share)
  else if (all.get(room)?.seq === ended) all.delete(room)
  try {
    if (all.size) localStorage.setItem(storeName(), JSON.stringify([...all]))
    else localStorage.removeItem(storeName())
  } catch {
    // Storage is full or forbidden: the share lasts as long as the page.
  }
}

function stored(): [string, Running][] {
  try {
    const known = JSON.parse(kept() ?? '[]') as unknown
    return Array.isArray(known) ? (known as [string, Running][]) : []
  } catch {
    return []
  }
}

/** Goes on with the shares from before a reload. */
export function resume(): void {
  for (const [room, share] of stored()) {
    if (Date.parse(share.until) > serverNow()) running.set(room, share)
    else keep(room, share.seq)
  }
  watchDevice()
}

function send(room: string, place: Place): void {
  const sender = senders.get(room) ?? { waiting: null, timer: undefined }
  senders.set(room, sender)
  sender.waiting = place
  if (sender.timer === undefined) flush(room, sender)
}

function flush(room: string, sender: Sender): void {
  const place = sender.waiting
  sender.timer = undefined
  if (!place || !running.has(room) || !useConnection().isLive || !isSwitchedOn()) return
  sender.waiting = null
  sender.timer = setTimeout(() => flush(room, sender), EVERY_MS)
  const { latitude, longitude, accuracy } = place
  request({ type: 'location.update', room, latitude, longitude, ...(accuracy === null ? {} : { accuracy }) }).catch((error: unknown) => {
    const code = error instanceof RequestFailed ? error.code : ''
    if (senders.get(room) !== sender) return
    if (OVER.includes(code)) return forget(room)
    if (!TRY_AGAIN.includes(code)) return // a new place is tried again, as is this one once there is a connection
    sender.waiting ??= place
    sender.timer ??= setTimeout(() => flush(room, sender), EVERY_MS)
  })
}

function isSwitchedOn(): boolean {
  return useConnection().hello?.features.includes('location') ?? false
}

function watchDevice(): void {
  const wanted = isSwitchedOn() && [...running.values()].some(({ device }) => device)
  if (wanted && watching === undefined) watching = navigator.geolocation.watchPosition(moved, failed, { enableHighAccuracy: true, maximumAge: EVERY_MS })
  if (!wanted && watching !== undefined) {
    navigator.geolocation.clearWatch(watching)
    watching = undefined
  }
}

function moved({ coords: { latitude, longitude, accuracy } }: GeolocationPosition): void {
  const place = { latitude, longitude, accuracy: Math.round(accuracy) }
  for (const [room, share] of running) {
    if (!share.device) continue
    running.set(room, { ...share, place })
    send(room, place)
  }
}

function failed({ code }: GeolocationPositionError): void {
  if (code === GeolocationPositionError.PERMISSION_DENIED) toast(t('location.denied'), { kind: 'failure' })
}

// What was not sent, and what Redis may have lost meanwhile, once there is a connection again.
watch(
  [isSwitchedOn, () => useConnection().isLive],
  ([on, live]) => {
    watchDevice()
    if (!on || !live) return
    for (const [room, { place }] of running) if (place) send(room, place)
  },
  { immediate: true },
)
