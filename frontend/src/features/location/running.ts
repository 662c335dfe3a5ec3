/** The shares of this device, by room. Small: part of the entry chunk. */
import { shallowReactive } from 'vue'

export interface Running {
  seq: number
  /** null until the place of the device is known, or the point is set */
  place: Place | null
  /** whether the place is the device's, or a point on the map */
  device: boolean
  until: string
}

export interface Place {
  latitude: number
  longitude: number
  /** metres */
  accuracy: number | null
}

export const KEY = 'location.shares'

export const running = shallowReactive(new Map<string, Running>())

export function kept(): string | null {
  return localStorage.getItem(KEY)
}
