import type { About } from '../registry'
import dark from './picture-dark.webp'
import light from './picture-light.webp'

export default {
  title: 'polls.about_title',
  text: 'polls.about',
  begin: 'polls.about_begin',
  light,
  dark,
} satisfies About
