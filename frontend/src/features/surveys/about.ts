import type { About } from '../registry'
import dark from './picture-dark.webp'
import light from './picture-light.webp'

export default {
  title: 'surveys.about_title',
  text: 'surveys.about',
  begin: 'surveys.about_begin',
  light,
  dark,
} satisfies About
