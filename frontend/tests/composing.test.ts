// @vitest-environment happy-dom
import { createPinia, setActivePinia } from 'pinia'
import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test, vi } from 'vitest'
import { createApp } from 'vue'
import MessageComposer from '../src/rooms/MessageComposer.vue'
import { isComposing } from '../src/ui/composing'

vi.stubGlobal('matchMedia', () => ({ matches: false }))

function key(name: string, how: KeyboardEventInit = {}): KeyboardEvent {
  return new KeyboardEvent('keydown', { key: name, bubbles: true, cancelable: true, ...how })
}

test('a key of a composition is known by its flag or by its code', () => {
  expect(isComposing(key('Enter'))).toBe(false)
  expect(isComposing(key('Enter', { isComposing: true }))).toBe(true)
  expect(isComposing(key('Enter', { keyCode: 229 }))).toBe(true)
})

test('the composer keeps the text when Enter ends a composition', () => {
  setActivePinia(createPinia())
  const submit = vi.fn(() => null)
  const root = document.body.appendChild(document.createElement('div'))
  createApp(MessageComposer, { room: 'lobby', title: 'Lobby', owner: 1, limit: 100, submit }).mount(root)
  const field = root.querySelector('textarea')!
  field.value = 'にほ'
  field.dispatchEvent(new Event('input'))
  field.dispatchEvent(key('Enter', { keyCode: 229 }))
  expect(submit).not.toHaveBeenCalled()
  field.dispatchEvent(key('Enter'))
  expect(submit).toHaveBeenCalledWith('にほ')
})

test('every file that handles keys asks whether they compose', () => {
  const sources = readdirSync('src', { recursive: true, encoding: 'utf8' }).filter((name) => /\.(vue|ts)$/.test(name))
  // The shell and the composer ask before they hand a key to a feature.
  const asked = sources.filter((name) => !/^features\/\w+\/index\.ts$/.test(name))
  const handling = asked.filter((name) => /@key(down|up|press)|event\.key\b(?! \?\?)/.test(readFileSync(join('src', name), 'utf8')))
  expect(handling.length).toBeGreaterThan(3)
  for (const name of handling) expect(readFileSync(join('src', name), 'utf8'), name).toContain('isComposing(event)')
})
