import type { About } from '../registry'
import dark from './picture-dark.webp'
import light from './picture-light.webp'

export default {
  title: 'demo.about_title',
  text: 'demo.about',
  begin: 'demo.about_begin',
  light,
  dark,
} satisfies About
