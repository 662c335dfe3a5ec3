import type { About } from '../registry'
import dark from './picture-dark.webp'
import light from './picture-light.webp'

export default {
  title: 'notes.about_title',
  text: 'notes.about',
  begin: 'notes.about_begin',
  light,
  dark,
} satisfies About
