/**
 * Unsent messages in Web Storage, one item each: several tabs of the same person then never overwrite each other's, and
 * a message that two tabs send carries one key and is stored once.
 */
import type { KeyValueStorage } from './environment'
import type { OutgoingMessage } from './outbox'

const PREFIX = 'hubbub.outbox.'

export class OutboxStorage {
  private readonly prefix: string

  constructor(
    private readonly storage: KeyValueStorage | null,
    owner: string,
  ) {
    this.prefix = `${PREFIX}${owner}.`
  }

  /** Oldest first; what was in flight when the page went away is waiting again. */
  load(): OutgoingMessage[] {
    const found: OutgoingMessage[] = []
    for (const name of this.names()) {
      const message = parse(this.storage!.getItem(name))
      if (message) found.push(message)
    }
    return found.sort((a, b) => a.at - b.at)
  }

  save(message: OutgoingMessage): void {
    try {
      this.storage?.setItem(this.prefix + message.key, JSON.stringify(message))
    } catch {
      // Storage is full or forbidden: the message is still sent, it only would not outlive a reload.
    }
  }

  remove(key: string): void {
    this.storage?.removeItem(this.prefix + key)
  }

  private names(): string[] {
    const names: string[] = []
    for (let index = 0; index < (this.storage?.length ?? 0); index++) {
      const name = this.storage!.key(index)
      if (name?.startsWith(this.prefix)) names.push(name)
    }
    return names
  }
}

function parse(raw: string | null): OutgoingMessage | null {
  try {
    const value = JSON.parse(raw ?? '') as Partial<OutgoingMessage>
    if (typeof value.key !== 'string' || typeof value.text !== 'string' || typeof value.at !== 'number') return null
    if (!value.destination || !('room' in value.destination || 'to' in value.destination)) return null
    const failed = value.state === 'failed' && value.error
    return {
      key: value.key,
      destination: value.destination,
      text: value.text,
      at: value.at,
      state: failed ? 'failed' : 'waiting',
      error: failed ? value.error! : null,
    }
  } catch {
    return null
  }
}
