import { shallowReactive } from 'vue'
import { t } from '../../i18n'
import type { LogEvent, QuizState } from '../../protocol'
import type { ChatSocket } from '../../socket'
import { renamedIn } from '../../stores/names'
import { isolated } from '../../ui/text'
import type { Quiz } from './quiz'

/** The quiz that runs in a room: shown above the messages, so that it does not move away with them. */
export const running = shallowReactive(new Map<string, Quiz>())

export function listen(socket: ChatSocket): void {
  socket.on('snapshot', ({ events, room }) => (running.delete(room), note(events)))
  socket.on('events', ({ events }) => note(events))
  socket.on('user.updated', ({ user }) => {
    for (const [room, quiz] of running) running.set(room, renamedIn(quiz, user))
  })
  socket.on('room.left', ({ room }) => running.delete(room))
}

function note(events: LogEvent[]): void {
  for (const event of events) {
    const type = event.type as string
    if (!type.startsWith('quiz')) continue
    const { room, target, state, from, at } = event as { target?: number; state?: QuizState } & LogEvent
    const known = running.get(room)
    const seq = target ?? event.seq
    const quiz = { ...(state ?? (event as unknown as QuizState)), type: 'quiz', room, seq, from: type === 'quiz.answered' ? (known?.from ?? from) : from, at }
    if (quiz.phase === 'asked' || quiz.phase === 'revealed') running.set(room, quiz)
    else if (known?.seq === seq) running.delete(room)
  }
}

/** The sentence read to screen readers at the end. */
export function winnerOf(event: LogEvent): string | null {
  if ((event.type as string) !== 'quiz.ended') return null
  const [first] = (event as { state?: QuizState }).state?.scores ?? []
  return first ? t('quiz.won', { name: isolated(first.name) }) : null
}
