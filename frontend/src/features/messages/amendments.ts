import { defineStore } from 'pinia'
import { computed, ref, shallowReactive } from 'vue'
import { t } from '../../i18n'
import type { FeatureFrame, LogEvent, MessageEvent, Person } from '../../protocol'
import type { ChatSocket, OutgoingFrame, Sent } from '../../socket'
import { useConnection } from '../../stores/connection'
import { useRooms } from '../../stores/rooms'
import { useSession } from '../../stores/session'
import { amended } from '../../stores/timeline'
import { useTimelines } from '../../stores/timelines'
import { explained, reasonOf } from '../../ui/reasons'
import { toast } from '../../ui/toasts'
import { sendDurable } from '../client'
import { noteEmoji } from './emoji'

interface Editing {
  room: string
  seq: number
  /** where the keyboard goes afterwards */
  back: HTMLElement | null
}

interface Refused {
  text: string
  reason: string
}

/** Edits, deletions and reactions of mine: sent by the outbox, shown at once. */
export const useAmendments = defineStore('amendments', () => {
  const connection = useConnection()
  const editing = ref<Editing | null>(null)
  /** by message: a new text that the server refused, and why */
  const refused = shallowReactive(new Map<string, Refused>())
  /** by message: the text of an unfinished edit, also while its row is not drawn */
  const unfinished = new Map<string, string>()
  /** messages that are deleted unless that is undone in time */
  const deleting = shallowReactive(new Set<string>())

  const waiting = computed(() => {
    const found = new Map<string, OutgoingFrame[]>()
    for (const frame of connection.unsent) {
      if (!('room' in frame.destination) || !(frame.type in EVENTS)) continue
      const place = name(frame.destination.room, Number(frame.fields.target))
      found.set(place, [...(found.get(place) ?? []), frame])
    }
    return found
  })

  /** The message with what of mine is on its way. */
  function shown(event: MessageEvent): MessageEvent {
    const place = name(event.room, event.seq)
    if (deleting.has(place)) return { ...event, text: '', deleted: true, reactions: {} }
    const frames = waiting.value.get(place)
    if (!frames) return event
    const from = useSession().me!
    return frames.reduce<MessageEvent>((message, frame) => amended(message, eventOf(frame, event.room, event.seq, from)) as MessageEvent, event)
  }

  function me(): number {
    return useSession().me?.id ?? 0
  }

  function mayEdit(event: MessageEvent): boolean {
    return !event.deleted && event.from.id === me()
  }

  function mayDelete(event: MessageEvent): boolean {
    return !event.deleted && (event.from.id === me() || useRooms().get(event.room)?.role === 'owner')
  }

  function startEdit({ room, seq }: MessageEvent): void {
    const focused = document.activeElement as HTMLElement | null
    editing.value = { room, seq, back: focused?.closest<HTMLElement>('[data-row-of]') ?? focused }
  }

  /** Opens my latest message of a room; false where none is loaded. */
  function editLast(room: string): boolean {
    const last = useTimelines().get(room)?.messages.findLast((event): event is MessageEvent => event.type === 'message' && mayEdit(event))
    if (last) startEdit(last)
    return last !== undefined
  }

  /** The unstored text of this message's editor, and the reason of its refusal. */
  function refusedEdit({ room, seq }: Pick<MessageEvent, 'room' | 'seq'>): Refused | undefined {
    return refused.get(name(room, seq))
  }

  /** The text with which this message's editor opens. */
  function textFor(event: MessageEvent): string {
    return unfinished.get(name(event.room, event.seq)) ?? refusedEdit(event)?.text ?? event.text
  }

  function keepText({ room, seq }: MessageEvent, text: string): void {
    unfinished.set(name(room, seq), text)
  }

  /** Nothing that was written is lost: the editor opens again, with the reason. */
  function editRefused({ destination, fields, error }: OutgoingFrame): void {
    if (!('room' in destination)) return
    const { room } = destination
    const seq = Number(fields.target)
    refused.set(name(room, seq), { text: String(fields.text), reason: reasonOf(error!) })
    editing.value ??= { room, seq, back: null }
  }

  function endEdit(): void {
    const back = editing.value?.back
    if (editing.value) {
      const place = name(editing.value.room, editing.value.seq)
      refused.delete(place)
      unfinished.delete(place)
    }
    editing.value = null
    if (back?.isConnected) back.focus()
  }

  /** Null where the outbox is full, and the person has been told. */
  function queue(frame: FeatureFrame & { room: string }): Promise<Sent> | null {
    try {
      return sendDurable(frame)
    } catch (error) {
      toast(explained(error), { kind: 'failure' })
      return null
    }
  }

  function edit({ room, seq, text: before }: MessageEvent, text: string): void {
    if (text === before || queue({ type: 'message.edit', room, target: seq, text })) endEdit()
  }

  function react({ room, seq }: MessageEvent, emoji: string, on: boolean): void {
    if (on) noteEmoji(emoji)
    queue({ type: 'message.react', room, target: seq, emoji, on })
  }

  /** Hides the message at once; it is deleted when the toast that offers to undo it has ended. */
  function remove({ room, seq }: MessageEvent): void {
    const place = name(room, seq)
    if (deleting.has(place)) return
    deleting.add(place)
    toast(t('messages.deleted_toast'), {
      action: { label: t('messages.undo'), run: () => deleting.delete(place) },
      done: () => {
        const stored = queue({ type: 'message.delete', room, target: seq })
        const ended = () => deleting.delete(place)
        if (stored) stored.then(ended, ended)
        else ended()
      },
    })
  }

  function listen(socket: ChatSocket): void {
    socket.on('failed', (frame) => frame.type === 'message.edit' && editRefused(frame))
    // The event itself may come a moment after its reply: nothing flickers back meanwhile.
    socket.on('sent', ({ frame, sent }) => {
      if (!(frame.type in EVENTS)) return
      useTimelines().apply(sent.room, [eventOf(frame, sent.room, sent.seq, useSession().me!)])
    })
  }

  return { editing, me, shown, mayEdit, mayDelete, startEdit, editLast, endEdit, refusedEdit, textFor, keepText, edit, react, remove, listen }
})

const EVENTS: Record<string, string> = { 'message.edit': 'message.edited', 'message.delete': 'message.deleted', 'message.react': 'reaction' }

function eventOf({ type, fields, at }: OutgoingFrame, room: string, seq: number, from: Person): LogEvent {
  return { ...fields, type: EVENTS[type], room, seq, from, at: new Date(at).toISOString() } as unknown as LogEvent
}

function name(room: string, seq: number): string {
  return `${room}/${seq}`
}
