import type { About } from '../registry'
import dark from './picture-dark.webp'
import light from './picture-light.webp'

export default {
  title: 'mentions.about_title',
  text: 'mentions.about',
  begin: 'mentions.about_begin',
  light,
  dark,
} satisfies About
