import type { About } from '../registry'
import dark from './picture-dark.webp'
import light from './picture-light.webp'

export default {
  title: 'stream.about_title',
  text: 'stream.about',
  begin: 'stream.about_begin',
  light,
  dark,
} satisfies About
