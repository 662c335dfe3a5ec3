/** The shares of this device, by room. Small: part of the entry chunk. */
import { shallowReactive } from 'vue'
import { useSession } from '../../stores/session'

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

export const running = shallowReactive(new Map<string, Running>())

/** People share browsers. */
export const storeName = () => `hubbub.location.${useSession().me?.id}`

export function kept(): string | null {
  try {
    // Earlier versions of the page kept the places of all accounts there.
    localStorage.removeItem('location.shares')
    return localStorage.getItem(storeName())
  } catch {
    return null
  }
}
