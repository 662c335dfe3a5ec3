/** Updates the running quizzes by a room's events. */
import { api } from '../../api'
import type { LogEvent, Person, QuizState } from '../../protocol'
import type { Quiz } from './quiz'
import { running } from './running'

/** room/seq → the quiz's maker. Its other events name the person who started it or gave an answer. */
const hosts = new Map<string, Person>()
/** Stands for the host until the server has said who it is: no reader of the page. */
const UNKNOWN: Person = { id: 0, name: '' }
/** room → what runs beside the quiz that is shown, by seq: shown when that one has ended, not under a player's finger */
const beside = new Map<string, Map<number, Quiz>>()

/** `anew`: the room begins again with these events. */
export function updateRunning(room: string, events: readonly LogEvent[], anew: boolean): void {
  if (anew) {
    running.delete(room)
    beside.delete(room)
  }
  for (const event of events) {
    if (!event.type.startsWith('quiz')) continue
    const { target, state, from, at } = event as { target?: number; state?: QuizState } & LogEvent
    const seq = target ?? event.seq
    const name = `${room}/${seq}`
    if (target === undefined) hosts.set(name, from)
    const quiz = { ...(state ?? (event as unknown as QuizState)), type: 'quiz', room, seq, from: hosts.get(name) ?? UNKNOWN, at }
    if (quiz.phase === 'asked' || quiz.phase === 'revealed') {
      show(room, quiz)
      if (!hosts.has(name)) void findHost(room, seq)
    } else end(room, seq)
    if (quiz.phase === 'ended') hosts.delete(name)
  }
}

function show(room: string, quiz: Quiz): void {
  const shown = running.get(room)
  if (!shown || shown.seq === quiz.seq) {
    running.set(room, quiz)
    return
  }
  const others = beside.get(room) ?? new Map<number, Quiz>()
  beside.set(room, others.set(quiz.seq, quiz))
}

/** The quiz does not run, or no longer. */
function end(room: string, seq: number): void {
  const others = beside.get(room)
  others?.delete(seq)
  if (running.get(room)?.seq !== seq) return
  running.delete(room)
  const [next] = others?.values() ?? []
  if (!next) return
  others?.delete(next.seq)
  running.set(room, next)
}

/** For a quiz that is older than the page's part of the log. */
async function findHost(room: string, seq: number): Promise<void> {
  const name = `${room}/${seq}`
  hosts.set(name, UNKNOWN)
  try {
    const { messages } = await api.messages(room, { after: seq - 1, limit: 1 })
    const [found] = messages
    if (found?.seq !== seq) return
    hosts.set(name, found.from)
    const shown = running.get(room)
    const quiz = shown?.seq === seq ? shown : beside.get(room)?.get(seq)
    if (quiz) show(room, { ...quiz, from: found.from })
  } catch {
    hosts.delete(name) // the next event asks again
  }
}
