// @vitest-environment happy-dom
import { createPinia, setActivePinia } from 'pinia'
import { afterEach, beforeEach, expect, test, vi } from 'vitest'
import { createApp, h, nextTick, type App } from 'vue'
import MessageComposer from '../src/rooms/MessageComposer.vue'
import { sendMessage } from '../src/rooms/sending'
import { MAX_FRAMES } from '../src/socket/outbox'
import { useConnection } from '../src/stores/connection'
import { keepDraft, readDraft } from '../src/stores/drafts'
import CreateDialog from '../src/ui/CreateDialog.vue'

vi.mock('../src/ui/dialogHistory', () => ({ useDialogHistory: () => undefined }))

beforeEach(() => {
  setActivePinia(createPinia())
  localStorage.clear()
  vi.stubGlobal('matchMedia', () => ({ matches: false }))
})
afterEach(() => vi.unstubAllGlobals())

function composer(): { app: App; write: (text: string) => Promise<void> } {
  const root = document.body.appendChild(document.createElement('div'))
  const app = createApp(MessageComposer, { room: 'lobby', title: 'Lobby', owner: 1, limit: 100, submit: () => null })
  app.mount(root)
  const field = root.querySelector('textarea')!
  return {
    app,
    write: async (text) => {
      field.value = text
      field.dispatchEvent(new Event('input'))
      await nextTick()
    },
  }
}

test('a field that nothing was written in leaves the draft of another tab', async () => {
  const idle = composer()
  const other = composer()
  await other.write('half a letter')
  other.app.unmount()
  window.dispatchEvent(new Event('pagehide'))
  idle.app.unmount()
  expect(readDraft(1, 'lobby')).toBe('half a letter')
})

test('a draft that is emptied is gone', async () => {
  keepDraft(1, 'lobby', 'half a letter')
  const { app, write } = composer()
  await write('')
  app.unmount()
  expect(readDraft(1, 'lobby')).toBe('')
})

test('a full outbox takes no attachments and no quote', () => {
  const fields = vi.fn(() => ({ files: ['a'] }))
  const send = vi.fn()
  const unsent = Array.from({ length: MAX_FRAMES })
  useConnection().chat = () => ({ unsent: () => unsent, send }) as never
  expect(sendMessage({ room: 'lobby' }, 'hello', fields)).toContain('200')
  expect(fields).not.toHaveBeenCalled()
  unsent.pop()
  expect(sendMessage({ room: 'lobby' }, 'hello', fields)).toBeNull()
  expect(send).toHaveBeenCalledWith({ room: 'lobby' }, 'hello', { files: ['a'] })
})

test('a tap beside a dialog closes it only while nothing is written in it', async () => {
  const close = vi.fn()
  const root = document.body.appendChild(document.createElement('div'))
  const app = createApp({ render: () => h(CreateDialog, { title: 'New', createLabel: 'Create', failure: '', onClose: close }, { default: () => h('input', { id: 'question' }) }) })
  app.mount(root)
  const tap = () => document.querySelector('dialog')!.dispatchEvent(new MouseEvent('mousedown'))
  tap()
  expect(close).toHaveBeenCalledTimes(1)
  document.querySelector('#question')!.dispatchEvent(new Event('input', { bubbles: true }))
  await nextTick()
  tap()
  expect(close).toHaveBeenCalledTimes(1)
  app.unmount()
})
