import type { About } from '../registry'
import dark from './picture-dark.webp'
import light from './picture-light.webp'

export default {
  title: 'quiz.about_title',
  text: 'quiz.about',
  begin: 'quiz.about_begin',
  light,
  dark,
} satisfies About
