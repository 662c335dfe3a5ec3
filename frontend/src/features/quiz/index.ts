import { Trophy } from '@lucide/vue'
import { defineFeature } from '../registry'
import { listen, running, winnerOf } from './running'

/** Quizzes: the server asks, everybody answers, speed counts. */
export default defineFeature({
  name: 'quiz',
  about: () => import('./about'),
  rows: { quiz: () => import('./QuizRow.vue') },
  outgoing: { 'quiz.create': () => import('./WaitingQuiz.vue') },
  composer: [{ id: 'quiz', label: 'quiz.new', icon: Trophy, dialog: () => import('./NewQuiz.vue') }],
  room: { component: () => import('./RunningQuiz.vue'), when: (room) => running.has(room) },
  announce: winnerOf,
  start: listen,
})
