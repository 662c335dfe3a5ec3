/** A sensor's points as uPlot takes them, and where they come from. */
import { call } from '../../api'

export interface Alarm {
  above: number | null
  below: number | null
  hysteresis: number
  silent_s: number | null
  /** '', above, below or silent */
  state: string
}

export interface Sensor {
  sensor_id: string
  value: number
  at: string
  alarm: Alarm | null
}

/** a program that pushes readings with a token of its own */
export interface Device {
  id: number
  name: string
  created_by: string
  created_at: string
  last_seen_at: string | null
  revocable: boolean
}

/** a live value of the topic `sensor`; `at` in milliseconds */
export interface Reading {
  value: number
  at: number
}

export interface Series {
  sensor_id: string
  /** seconds of one point; 0: each reading */
  step: number
  points: { at: string; value: number; min: number; max: number }[]
}

/** seconds, values, least, greatest */
export type Columns = [number[], number[], number[], number[]]

export type AlarmRule = Omit<Alarm, 'state'>

/** the colours of charts, as the theme has them now */
export interface Palette {
  line: string
  /** between the least and the greatest value */
  band: string
  grid: string
  words: string
}

/** points of one chart: as many as it has pixels; the server gives means above it */
const POINTS = 600
/** where each reading is drawn: the most that the server gives, 33 a second for a minute */
const LIVE_POINTS = 2_000

function path(room: string): string {
  return `/api/rooms/${encodeURIComponent(room)}/sensors`
}

export const sensorsApi = {
  list: (room: string) => call<{ sensors: Sensor[] }>('GET', path(room)).then(({ sensors }) => sensors),
  series: (room: string, sensor: string, from: Date, to: Date, live: boolean) =>
    call<Series>(
      'GET',
      `${path(room)}/${encodeURIComponent(sensor)}/series?from=${from.toISOString()}&to=${to.toISOString()}&points=${live ? LIVE_POINTS : POINTS}`,
    ),
  remove: (room: string, sensor: string) => call<void>('DELETE', `${path(room)}/${encodeURIComponent(sensor)}`),
  setAlarm: (room: string, sensor: string, rule: AlarmRule) => call<Sensor>('PUT', `${path(room)}/${encodeURIComponent(sensor)}/alarm`, rule),
  removeAlarm: (room: string, sensor: string) => call<void>('DELETE', `${path(room)}/${encodeURIComponent(sensor)}/alarm`),
}

function devicesPath(room: string): string {
  return `/api/rooms/${encodeURIComponent(room)}/devices`
}

export const devicesApi = {
  list: (room: string) => call<{ devices: Device[] }>('GET', devicesPath(room)).then(({ devices }) => devices),
  create: (room: string, name: string) => call<Device & { token: string }>('POST', devicesPath(room), { name }),
  revoke: (room: string, device: number) => call<void>('DELETE', `${devicesPath(room)}/${device}`),
}

export function columnsOf({ points }: Series): Columns {
  return [points.map(({ at }) => Date.parse(at) / 1_000), points.map(({ value }) => value), points.map(({ min }) => min), points.map(({ max }) => max)]
}

/** A live chart, read anew: readings that came meanwhile stay, and means (where there are too many readings) replace none. */
export function merged(kept: Columns, series: Series): Columns {
  const read = columnsOf(series)
  const from = series.step ? 0 : count(kept[0], (at) => at <= (read[0].at(-1) ?? -Infinity))
  const until = series.step ? count(read[0], (at) => at < (kept[0][0] ?? Infinity)) : read[0].length
  return read.map((column, place) => [...column.slice(0, until), ...kept[place]!.slice(from)]) as Columns
}

/** How many times, which rise, are so. */
function count(times: readonly number[], are: (at: number) => boolean): number {
  const end = times.findIndex((at) => !are(at))
  return end < 0 ? times.length : end
}

/** Adds a live reading behind the others, and drops those from before `since` (seconds). False for a late or doubled one. */
export function append(columns: Columns, { value, at }: Reading, since: number): boolean {
  const [times, values, low, high] = columns
  const seconds = at / 1_000
  if (times.length && seconds <= times.at(-1)!) return false
  times.push(seconds)
  for (const column of [values, low, high]) column.push(value)
  let old = 0
  while (old < times.length && times[old]! < since) old++
  // Not one by one: that would move all others each time.
  if (old > times.length / 4) for (const column of columns) column.splice(0, old)
  return true
}
