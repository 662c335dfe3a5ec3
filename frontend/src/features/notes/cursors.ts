/** Other people's cursors and selections in the editor. Classes instead of inline styles: the content security policy has none. */
import { StateEffect, StateField, type Range } from '@codemirror/state'
import { Decoration, EditorView, ViewPlugin, WidgetType, type DecorationSet, type ViewUpdate } from '@codemirror/view'
import * as Y from 'yjs'
import { hue } from '../../ui/people'
import { fromBase64, toBase64 } from './base64'

/** A cursor as the topic `note.cursor` carries it. */
export interface CursorValue {
  note: number
  client: number
  anchor: string | null
  head: string | null
}

export interface Cursor extends CursorValue {
  id: number
  name: string
}

/** milliseconds between two frames of my cursor */
const SEND_EVERY = 250
/** The server forgets a cursor that is not sent again. */
const SEND_AGAIN = 20_000

const setCursors = StateEffect.define<readonly Cursor[]>()
const cursors = StateField.define<readonly Cursor[]>({
  create: () => [],
  update: (value, transaction) => transaction.effects.reduce((now, effect) => (effect.is(setCursors) ? effect.value : now), value),
})

export function showCursors(view: EditorView, values: readonly Cursor[]): void {
  view.dispatch({ effects: setCursors.of(values) })
}

/** `send(anchor, head)`: relative positions in base64; null where the editor has no focus. */
export function cursorsOf(text: Y.Text, send: (anchor: string | null, head: string | null) => void) {
  const drawn = ViewPlugin.fromClass(
    class {
      decorations: DecorationSet = Decoration.none
      private sent = ''
      private sentAt = 0
      private timer: ReturnType<typeof setTimeout> | undefined

      constructor(view: EditorView) {
        this.decorations = decorate(view, text)
        this.report(view)
      }

      update(update: ViewUpdate): void {
        const moved = update.startState.field(cursors) !== update.state.field(cursors)
        if (update.docChanged || moved) this.decorations = decorate(update.view, text)
        if (update.docChanged || update.selectionSet || update.focusChanged) this.report(update.view)
      }

      destroy(): void {
        clearTimeout(this.timer)
      }

      private report(view: EditorView, wait = Math.max(0, this.sentAt + SEND_EVERY - Date.now())): void {
        clearTimeout(this.timer)
        this.timer = setTimeout(() => {
          const { anchor, head } = view.state.selection.main
          const where: [string | null, string | null] = view.hasFocus ? [relative(text, anchor), relative(text, head)] : [null, null]
          const same = where.join() === this.sent
          if (!same || Date.now() - this.sentAt >= SEND_AGAIN - 100) {
            this.sent = where.join()
            this.sentAt = Date.now()
            send(...where)
          }
          this.report(view, SEND_AGAIN)
        }, wait)
      }
    },
    { decorations: (plugin) => plugin.decorations },
  )
  return [cursors, drawn]
}

function relative(text: Y.Text, index: number): string {
  return toBase64(Y.encodeRelativePosition(Y.createRelativePositionFromTypeIndex(text, Math.min(index, text.length))))
}

function absolute(text: Y.Text, position: string | null): number | null {
  if (position === null) return null
  try {
    const found = Y.createAbsolutePositionFromRelativePosition(Y.decodeRelativePosition(fromBase64(position)), text.doc!)
    return found?.type === text ? found.index : null
  } catch {
    return null // bytes of another program
  }
}

function decorate(view: EditorView, text: Y.Text): DecorationSet {
  const length = view.state.doc.length
  const ranges: Range<Decoration>[] = []
  for (const cursor of view.state.field(cursors)) {
    const [anchor, head] = [absolute(text, cursor.anchor), absolute(text, cursor.head)]
    if (anchor === null || head === null || Math.max(anchor, head) > length) continue
    const colour = `cm-person-${hue(cursor.id)}`
    if (anchor !== head) ranges.push(Decoration.mark({ class: `cm-theirs ${colour}` }).range(Math.min(anchor, head), Math.max(anchor, head)))
    ranges.push(Decoration.widget({ widget: new Caret(cursor.name, colour, cursor.head!), side: head >= anchor ? -1 : 1 }).range(head))
  }
  return Decoration.set(ranges, true)
}

class Caret extends WidgetType {
  constructor(
    private readonly name: string,
    private readonly colour: string,
    /** A caret that moved is drawn anew: its name shows again for a while. */
    private readonly where: string,
  ) {
    super()
  }

  override eq(other: Caret): boolean {
    return other.name === this.name && other.colour === this.colour && other.where === this.where
  }

  override toDOM(): HTMLElement {
    const caret = document.createElement('span')
    caret.className = `cm-caret ${this.colour}`
    caret.setAttribute('aria-hidden', 'true')
    const label = caret.appendChild(document.createElement('span'))
    label.className = 'cm-caret-name'
    label.textContent = this.name
    return caret
  }

  override ignoreEvent(): boolean {
    return true
  }
}
