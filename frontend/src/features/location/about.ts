import type { About } from '../registry'
import dark from './picture-dark.webp'
import light from './picture-light.webp'

export default {
  title: 'location.about_title',
  text: 'location.about',
  begin: 'location.about_begin',
  light,
  dark,
} satisfies About
