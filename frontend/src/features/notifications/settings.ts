/** How the person wants to be told: the same on all devices. */
import { shallowRef } from 'vue'
import { call } from '../../api'
import type { Notifications } from '../../protocol'
import { defaultLevel, levels, type Level } from '../../stores/attention'
import { useRooms } from '../../stores/rooms'

export type { Quiet } from '../../protocol'

export const DIGESTS = ['off', 'hourly', 'daily'] as const

export type Preferences = Omit<Notifications, 'type'>

/** A browser that gets Web Push. */
export interface Device {
  id: number
  label: string
  created_at: string
}

const URL = '/api/notifications'

/** Null until they are loaded. */
export const preferences = shallowRef<Preferences | null>(null)
export const devices = shallowRef<readonly Device[]>([])

function show(next: Preferences): void {
  preferences.value = next
  levels.value = next.rooms
}

/** @throws ApiError */
export async function load(): Promise<void> {
  const { devices: known, ...rest } = await call<Preferences & { devices: Device[] }>('GET', URL)
  devices.value = known
  show(rest)
}

/** The feature is off. */
export function forget(): void {
  preferences.value = null
  levels.value = {}
}

/** Another device has changed something. */
export function hear(frame: Partial<Preferences>): void {
  if (preferences.value) show({ ...preferences.value, ...frame })
}

/** Shown at once, and taken back where the server refuses. @throws ApiError */
export async function change(changes: Partial<Preferences>): Promise<void> {
  const before = preferences.value
  if (!before) return
  show({ ...before, ...changes })
  try {
    const answer = await call<Partial<Preferences> | undefined>('PATCH', URL, changes)
    if (answer) hear(pick(answer, Object.keys(before)))
  } catch (error) {
    if (preferences.value) show({ ...preferences.value, ...pick(before, Object.keys(changes)) })
    throw error
  }
}

/** @throws ApiError */
export async function chooseLevel(room: string, level: Level): Promise<void> {
  const before = preferences.value
  const known = useRooms().get(room)
  if (!before || !known) return
  const { [room]: old, ...others } = before.rooms
  show({ ...before, rooms: level === defaultLevel(known) ? others : { ...others, [room]: level } })
  try {
    await call('PUT', `${URL}/rooms/${encodeURIComponent(room)}`, { level })
  } catch (error) {
    const { [room]: _, ...rest } = preferences.value!.rooms
    show({ ...preferences.value!, rooms: old ? { ...rest, [room]: old } : rest })
    throw error
  }
}

/** Registers this browser's subscription. @throws ApiError */
export async function addDevice(subscription: { endpoint: string; keys: { p256dh: string; auth: string } }, label: string): Promise<number> {
  const { id } = await call<{ id: number }>('POST', `${URL}/devices`, { ...subscription, label })
  devices.value = [...devices.value.filter((device) => device.id !== id), { id, label, created_at: new Date().toISOString() }]
  return id
}

/** @throws ApiError */
export async function removeDevice(id: number): Promise<void> {
  await call('DELETE', `${URL}/devices/${id}`)
  devices.value = devices.value.filter((device) => device.id !== id)
}

/** Sends a Web Push to my devices. @throws ApiError */
export async function pushTest(): Promise<void> {
  await call('POST', `${URL}/test`)
}

function pick<Whole extends object>(whole: Whole, names: readonly string[]): Partial<Whole> {
  return Object.fromEntries(Object.entries(whole).filter(([name]) => names.includes(name))) as Partial<Whole>
}
