/**
 * Unsent frames in Web Storage, one item each: several tabs of the same person then never overwrite each other's, and
 * a frame that two tabs send carries one key and is stored once.
 */
import type { KeyValueStorage } from './environment'
import type { OutgoingFrame } from './outgoing'

const PREFIX = 'hubbub.outbox.'

export class OutboxStorage {
  private readonly prefix: string

  constructor(
    private readonly storage: KeyValueStorage | null,
    owner: string,
  ) {
    this.prefix = `${PREFIX}${owner}.`
  }

  /** Oldest first; frames in flight at the end of the page are waiting again. */
  load(): OutgoingFrame[] {
    const found: OutgoingFrame[] = []
    for (const name of this.names()) {
      const frame = parse(this.storage!.getItem(name))
      if (frame) found.push(frame)
    }
    return found.sort((a, b) => a.at - b.at)
  }

  save(frame: OutgoingFrame): void {
    try {
      this.storage?.setItem(this.prefix + frame.key, JSON.stringify(frame))
    } catch {
      // Storage is full or forbidden: the frame is still sent, it only would not outlive a reload.
    }
  }

  has(key: string): boolean {
    return (this.storage?.getItem(this.prefix + key) ?? null) !== null
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

function parse(raw: string | null): OutgoingFrame | null {
  try {
    const value = JSON.parse(raw ?? '') as Partial<OutgoingFrame> & { text?: unknown }
    // Earlier versions of the page knew only messages, and kept the text itself.
    const { type = 'message.send', fields = { text: value.text } } = value
    if (typeof value.key !== 'string' || typeof value.at !== 'number' || typeof type !== 'string' || typeof fields !== 'object') return null
    if (type === 'message.send' && typeof fields.text !== 'string') return null
    if (!value.destination || !('room' in value.destination || 'to' in value.destination)) return null
    const failed = value.state === 'failed' && value.error
    return {
      key: value.key,
      destination: value.destination,
      type,
      fields,
      at: value.at,
      state: failed ? 'failed' : 'waiting',
      error: failed ? value.error! : null,
    }
  } catch {
    return null
  }
}
