// @vitest-environment happy-dom
import { expect, it, vi } from 'vitest'
import * as Y from 'yjs'
import { createEditor, MAX_INSERT } from '../../src/features/notes/editor'

it.each([
  ['字'.repeat(50_000), true],
  ['x'.repeat(MAX_INSERT), true],
  ['字'.repeat(MAX_INSERT / 3 + 1), false],
])('a paste is bounded by its bytes (%#)', (pasted, fits) => {
  const text = new Y.Doc().getText('text')
  const onTooLong = vi.fn()
  const root = document.body.appendChild(document.createElement('div')).attachShadow({ mode: 'open' })
  const view = createEditor({ text, root, label: 'Plan', hint: '', readOnly: false, onCursor: () => undefined, onTooLong })
  view.dispatch({ changes: { from: 0, insert: pasted }, userEvent: 'input.paste' })
  expect(text.length).toBe(fits ? pasted.length : 0)
  expect(onTooLong).toHaveBeenCalledTimes(fits ? 0 : 1)
  view.destroy()
})
