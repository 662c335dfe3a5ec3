// @vitest-environment happy-dom
import { createPinia, setActivePinia } from 'pinia'
import { afterEach, beforeEach, expect, test, vi } from 'vitest'
import { signOutFeatures } from '../../src/features/client'
import { leave } from '../../src/features/notifications/leaving'
import { installFeatures } from '../../src/features/registry'

beforeEach(() => setActivePinia(createPinia()))
afterEach(() => vi.unstubAllGlobals())

test('no notification and no badge of a person stays when they sign out', async () => {
  const notices = ['direct', 'mention'].map(() => ({ data: { room: 'r', seq: 1 }, close: vi.fn() }))
  const registration = { getNotifications: () => Promise.resolve(notices) }
  const clearAppBadge = vi.fn()
  vi.stubGlobal('navigator', { serviceWorker: { getRegistration: () => Promise.resolve(registration) }, clearAppBadge })
  await leave()
  for (const { close } of notices) expect(close).toHaveBeenCalledOnce()
  expect(clearAppBadge).toHaveBeenCalledOnce()
})

test('features that are off, and those before the first greeting, hear of it when one signs out', async () => {
  const signOut = vi.fn(() => Promise.resolve())
  installFeatures([{ name: 'location', signOut }])
  await signOutFeatures()
  expect(signOut).toHaveBeenCalledOnce()
})
