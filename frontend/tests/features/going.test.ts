// @vitest-environment happy-dom
import { expect, test, vi } from 'vitest'
import { createApp, nextTick } from 'vue'
import GoToDate from '../../src/features/search/GoToDate.vue'

test('a date is gone to once it is complete and asked for', async () => {
  const go = vi.fn()
  const root = document.createElement('div')
  createApp(GoToDate, { onGo: go }).mount(root)
  const field = root.querySelector('input')!
  for (const typed of ['0002-11-30', '0020-11-30', '0202-11-30', '2026-11-30']) {
    field.value = typed
    field.dispatchEvent(new Event('input'))
    field.dispatchEvent(new Event('change'))
    await nextTick()
  }
  expect(go).not.toHaveBeenCalled()
  root.querySelector('form')!.dispatchEvent(new Event('submit', { cancelable: true }))
  expect(go.mock.calls).toEqual([['2026-11-30']])
})
