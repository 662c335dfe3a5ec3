import { showBadge } from './badge'
import { closeRead } from './notices'
import { turnOff } from './push'

/** Before the person signs out: this device gets no more messages of theirs, and shows none. */
export async function leave(): Promise<void> {
  await Promise.allSettled([turnOff(), closeRead(() => true), showBadge({ forMe: 0, chatter: 0 })])
}
