import { useConnection } from '../stores/connection'
import { OutboxFull, type Destination } from '../socket'
import { MAX_FRAMES } from '../socket/outbox'
import { explained } from '../ui/reasons'

/** Queues a message with `fields`, which features take from their attachments and quotes; null, or why it cannot be queued. */
export function sendMessage(destination: Destination, text: string, fields: () => Record<string, unknown>): string | null {
  const chat = useConnection().chat()
  // Before anything is taken: attachments would be lost with the refusal.
  if (chat.unsent().length >= MAX_FRAMES) return explained(new OutboxFull())
  chat.send(destination, text, fields())
  return null
}
