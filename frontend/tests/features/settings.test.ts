import { afterEach, expect, test, vi } from 'vitest'
import { mapSettings } from '../../src/features/location/settings'

const SETTINGS = { tiles: 'https://tiles.example/{z}/{x}/{y}.png', attribution: 'Somebody' }

afterEach(() => void vi.unstubAllGlobals())

test('a map whose settings did not come is not the last one', async () => {
  const fetched = vi.fn<() => Promise<Response>>()
  vi.stubGlobal('fetch', fetched)
  fetched.mockRejectedValueOnce(new TypeError('offline'))
  await expect(mapSettings()).rejects.toThrow('offline')
  fetched.mockResolvedValueOnce(new Response('{}', { status: 503 }))
  await expect(mapSettings()).rejects.toThrow('503')
  fetched.mockResolvedValueOnce(Response.json(SETTINGS))
  expect(await mapSettings()).toEqual(SETTINGS)
  expect(await mapSettings()).toEqual(SETTINGS)
  expect(fetched).toHaveBeenCalledTimes(3)
})
