/**
 * What the page shows of each feature. A feature is one folder beside this file and one line in index.ts.
 *
 * The page asks by kind, topic or slot, and knows no feature by name. docs/features.md shows how to write one.
 */
import { defineAsyncComponent, type Component } from 'vue'
import type { Hello, KnownEvent, LiveFrame, PushFrame } from '../protocol'
import type { ChatSocket } from '../socket'
import RowFailed from './RowFailed.vue'
import RowLoading from './RowLoading.vue'
import UnknownRow from './UnknownRow.vue'

/** A component, or a function that imports it: then it is a chunk of its own, loaded when it is first shown. */
export type Slot = Component | (() => Promise<{ default: Component }>)

/** An entry of the composer's menu. `label` is a key of the locales; `dialog` gets `room` (slug) and emits `close`. */
export interface ComposerItem {
  id: string
  label: string
  icon: Component
  dialog: Slot
}

/** A panel beside the messages. `title` is a key of the locales; `component` gets `room` (slug) and emits `close`. */
export interface Panel {
  id: string
  title: string
  icon: Component
  component: Slot
  /** reactive: whether a room has it; by default each has */
  when?: (room: string) => boolean
}

/** A dialog of the whole page. `label` is a key of the locales; `dialog` emits `close`. */
export interface PageDialog {
  id: string
  label: string
  icon: Component
  /** where its button is: above the list of rooms, or in the account menu */
  place?: 'side' | 'account'
  /** a key of the locales: how the keys that open it are written beside its label */
  keys?: string
  opens?: (event: KeyboardEvent) => boolean
  /** reactive: whether the button is shown; the keys work in any case */
  when?: () => boolean
  dialog: Slot
}

/** A component of the room view, which gets `room` (slug). `when` is reactive; the chunk is loaded once it holds. */
export interface RoomSlot {
  component: Slot
  when?: (room: string) => boolean
}

/** What the page of features says about it: keys of the locales, and addresses of pictures for both themes. */
export interface About {
  title: string
  text: string
  /** how to begin */
  begin: string
  light?: string
  dark?: string
}

export interface Feature {
  name: string
  about?: () => Promise<{ default: About }>
  /** kind of event → what is drawn in its row; gets `event` and `me` (id) */
  rows?: Record<string, Slot>
  /** kind of event → what can be done with it: both get `event`. `bar` is drawn in the corner of the row that the pointer or the keyboard
   * is on, and may expose `keyed(event): boolean` for keys on the row; `sheet` is a dialog after a long press, and emits `close` */
  actions?: Record<string, { bar: Slot; sheet: Slot }>
  /** type of frame → what is drawn while it waits in the outbox; gets `frame`. A frame without one is not drawn. */
  outgoing?: Record<string, Slot>
  composer?: ComposerItem[]
  panels?: Panel[]
  pages?: PageDialog[]
  /** a component without a place of its own, in the page from the first greeting on */
  always?: Slot
  /** among the buttons of a room's header, for members */
  header?: RoomSlot
  /** above the messages */
  room?: RoomSlot
  /** between the messages and the composer */
  footer?: RoomSlot
  /** in the composer, above the field */
  composerTop?: RoomSlot
  /** in the composer, beside its menu */
  composerButton?: RoomSlot
  /** field → what is drawn of it below the text of a message that has it; gets `value`. `summary` stands for the text of a message without one */
  messageParts?: Record<string, { component: Slot; summary: (value: never) => string }>
  /** reactive: the parts of a room's next message beside its text. `ready`: it needs no text; `busy`: it waits until that is ready;
   * `partly`: some of it failed, so that a message that waits is not sent by itself */
  attached?: (room: string) => 'none' | 'ready' | 'partly' | 'busy'
  /** further fields of the message that is sent to a room now */
  messageFields?: (room: string) => Record<string, unknown>
  /** the sentence read to a screen reader about another person's event in the open room; null for none. Its `type` says which fields it has */
  announce?: (event: KnownEvent) => string | null
  /** by default: whether the server names the feature in `hello.features` */
  enabled?: (hello: Hello) => boolean
  /** topic → called with each `live` frame; the newest values are kept in any case, see `useLive` */
  live?: Record<string, (frame: LiveFrame) => void>
  /** type → called with each frame of the server that is no event and no reply */
  pushes?: Record<string, (frame: PushFrame) => void>
  /** called at each input in the composer of a room */
  typed?: (room: string) => void
  /** called with a key in the empty composer of a room; says whether it meant something */
  emptyComposerKey?: (event: KeyboardEvent, room: string) => boolean
  /** called once, as soon as there is a socket */
  start?: (socket: ChatSocket, me: number) => void
  /** called before the person signs out, which waits for it two seconds at most */
  signOut?: () => Promise<unknown>
}

export function defineFeature(feature: Feature): Feature {
  return feature
}

export interface RowActions {
  bar: Component
  sheet: Component
}

let installed: readonly Feature[] = []
const rows = new Map<string, Component>()
const outgoing = new Map<string, Component>()
const actions = new Map<string, RowActions>()
const parts = new Map<string, { component: Component; summary: (value: never) => string }>()

/** @throws Error that names what two features claim */
export function installFeatures(features: readonly Feature[]): void {
  refuseDoubles('feature', features.map(({ name }) => name))
  refuseDoubles('kind', features.flatMap((feature) => Object.keys(feature.rows ?? {})))
  refuseDoubles('actions', features.flatMap((feature) => Object.keys(feature.actions ?? {})))
  refuseDoubles('outgoing frame', features.flatMap((feature) => Object.keys(feature.outgoing ?? {})))
  refuseDoubles('part', features.flatMap((feature) => Object.keys(feature.messageParts ?? {})))
  refuseDoubles('topic', features.flatMap((feature) => Object.keys(feature.live ?? {})))
  refuseDoubles('push', features.flatMap((feature) => Object.keys(feature.pushes ?? {})))
  refuseDoubles('composer item', features.flatMap((feature) => (feature.composer ?? []).map(({ id }) => id)))
  refuseDoubles('panel', features.flatMap((feature) => (feature.panels ?? []).map(({ id }) => id)))
  refuseDoubles('page', features.flatMap((feature) => (feature.pages ?? []).map(({ id }) => id)))
  installed = features
  rows.clear()
  outgoing.clear()
  actions.clear()
  parts.clear()
  for (const feature of features) {
    for (const [kind, slot] of Object.entries(feature.rows ?? {})) rows.set(kind, rowComponent(slot))
    for (const [kind, { bar, sheet }] of Object.entries(feature.actions ?? {})) actions.set(kind, { bar: componentOf(bar), sheet: componentOf(sheet) })
    for (const [field, { component, summary }] of Object.entries(feature.messageParts ?? {})) parts.set(field, { component: componentOf(component), summary })
    for (const [type, slot] of Object.entries(feature.outgoing ?? {})) outgoing.set(type, rowComponent(slot))
  }
}

export function allFeatures(): readonly Feature[] {
  return installed
}

/** The row of a kind of events; a plain one for a kind of a newer server, or of a feature that is off. */
export function rowOf(kind: string, hello: Hello | null = null): Component {
  const feature = installed.find((one) => one.rows && kind in one.rows)
  const hidden = feature !== undefined && hello !== null && !isEnabled(feature, hello)
  return (hidden ? undefined : rows.get(kind)) ?? UnknownRow
}

/** The kinds of events that are not shown: of features that are off. */
export function hiddenKinds(hello: Hello): Set<string> {
  return new Set(installed.filter((one) => !isEnabled(one, hello)).flatMap((one) => Object.keys(one.rows ?? {})))
}

/** What can be done with an event of a kind; null for nothing. */
export function actionsOf(kind: string): RowActions | null {
  return actions.get(kind) ?? null
}

/** How a frame is drawn while it waits; null where it is not. */
export function outgoingOf(type: string): Component | null {
  return outgoing.get(type) ?? null
}

/** What features draw of the fields that a message has: a component for each, and the field's value. */
export function partsOf(fields: object): { field: string; component: Component; value: unknown }[] {
  const given = fields as Record<string, unknown>
  return [...parts].flatMap(([field, { component }]) => (given[field] ? [{ field, component, value: given[field] }] : []))
}

/** A message's text, or what stands for it. */
export function wordsOf(message: { text: string }): string {
  if (message.text) return message.text
  const given = message as unknown as Record<string, unknown>
  return [...parts].flatMap(([field, { summary }]) => (given[field] ? [summary(given[field] as never)] : [])).join(', ')
}

/** Before the first `hello` only features that need no server are on. */
export function isEnabled(feature: Feature, hello: Hello | null): boolean {
  if (feature.enabled) return hello !== null && feature.enabled(hello)
  return hello?.features?.includes(feature.name) ?? false
}

const components = new WeakMap<object, Component>()

/** The same component at each call, whether or not it is loaded lazily. */
export function componentOf(slot: Slot): Component {
  if (typeof slot !== 'function') return slot
  const known = components.get(slot)
  if (known) return known
  const made = defineAsyncComponent(slot as () => Promise<{ default: Component }>)
  components.set(slot, made)
  return made
}

function rowComponent(slot: Slot): Component {
  if (typeof slot !== 'function') return slot
  return defineAsyncComponent({
    loader: slot as () => Promise<{ default: Component }>,
    loadingComponent: RowLoading,
    errorComponent: RowFailed,
    delay: 0,
  })
}

function refuseDoubles(what: string, names: string[]): void {
  const double = names.find((name, index) => names.indexOf(name) !== index)
  if (double !== undefined) throw new Error(`Two features claim the ${what} "${double}".`)
}
