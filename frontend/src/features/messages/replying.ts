import { defineStore } from 'pinia'
import { shallowReactive } from 'vue'
import type { MessageEvent, Quote } from '../../protocol'
import { wordsOf } from '../registry'
import { useConnection } from '../../stores/connection'
import { position } from '../../stores/timeline'
import { useTimelines } from '../../stores/timelines'
import { isBot } from '../../ui/author'

function quoteOf(message: MessageEvent): Quote {
  const { seq, from, alias } = message
  return { seq, from, text: wordsOf(message), ...(isBot(message) && alias && { alias }) }
}

/** The message that the next one of a room answers. */
export const useReplying = defineStore('replying', () => {
  const quotes = shallowReactive(new Map<string, Quote>())

  function to(room: string): Quote | null {
    return quotes.get(room) ?? null
  }

  function start(message: MessageEvent): void {
    quotes.set(message.room, quoteOf(message))
  }

  function stop(room: string): void {
    quotes.delete(room)
  }

  /** The fields of the message that is sent now; the reply begins and ends with it. */
  function fields(room: string): Record<string, unknown> {
    const quote = quotes.get(room)
    quotes.delete(room)
    return quote ? { reply_to: quote.seq } : {}
  }

  /** A quote as its message is now, where that is loaded. Null: it was deleted. */
  function present(room: string, quote: Quote): Quote | null {
    const source = loaded(room, quote.seq)
    if (source) return source.deleted ? null : { ...quote, text: wordsOf(source) }
    return quote.text ? quote : null
  }

  function loaded(room: string, seq: number): MessageEvent | null {
    const timeline = useTimelines().get(room)
    for (const list of [timeline?.messages ?? [], timeline?.past ?? []]) {
      const source = list[position(list, seq)]
      if (source?.seq === seq && source.type === 'message') return source
    }
    return null
  }

  /** Servers without `replies` drop the quote. */
  function isKnown(): boolean {
    return useConnection().hello?.features?.includes('replies') ?? false
  }

  /** The quote of a message that is loaded. */
  function of(room: string, seq: number): Quote | null {
    const source = loaded(room, seq)
    return source && quoteOf(source)
  }

  return { to, start, stop, fields, present, of, isKnown }
})
