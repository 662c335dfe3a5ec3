/** Whether and how this page tells of a message. No browser in here: the whole table is tested. */
import type { Level } from '../../stores/attention'
import type { Notify, Quiet } from '../../protocol'

export type Reason = Notify['reason']

export interface Situation {
  reason: Reason
  level: Level
  /** the message is read already, maybe on another device */
  read: boolean
  /** the latest message of its room is on screen */
  onScreen: boolean
  /** its room is the open one */
  open: boolean
  visible: boolean
  /** the person is at this device */
  active: boolean
  /** browser notifications are wanted and allowed here */
  notifies: boolean
  sound: boolean
  quiet: boolean
}

export interface Decision {
  /** When the page claims the message: only the first device to claim notifies. A visible page comes first. */
  claim: 'never' | 'now' | 'later'
  notification: boolean
  sound: boolean
  toast: boolean
}

const NOTHING: Decision = { claim: 'never', notification: false, sound: false, toast: false }

export function decide(now: Situation): Decision {
  if (now.read || !isWanted(now.reason, now.level)) return NOTHING
  // It is seen: the claim stops other devices' notifications. On an idle device another one may notify.
  if (now.onScreen) return { ...NOTHING, claim: now.active ? 'now' : 'never' }
  if (now.quiet) return NOTHING
  const raised = { notification: !now.visible && now.notifies, sound: now.sound, toast: now.visible && !now.open }
  const attended = now.visible && now.active
  // What cannot tell leaves it to another device, unless the person is in the room, further up.
  if (!raised.notification && !raised.sound && !raised.toast) return { ...NOTHING, claim: attended && now.open ? 'now' : 'never' }
  return { ...raised, claim: attended ? 'now' : 'later' }
}

/** The level may have changed after the server has sent the frame. */
function isWanted(reason: Reason, level: Level): boolean {
  return reason === 'mention' ? level !== 'nothing' : level === 'all'
}

/** Whether a time of day is within the quiet hours. `minute` counts from midnight in their zone. */
export function isQuiet({ from, to }: Quiet, minute: number): boolean {
  const [begins, ends] = [minutes(from), minutes(to)]
  // The same time twice is the whole day.
  if (begins === ends) return true
  return begins < ends ? minute >= begins && minute < ends : minute >= begins || minute < ends
}

function minutes(time: string): number {
  const [hour, minute] = time.split(':').map(Number)
  return hour! * 60 + minute!
}
