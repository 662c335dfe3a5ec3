import type { About } from '../registry'
import dark from './picture-dark.webp'
import light from './picture-light.webp'

export default {
  title: 'search.about_title',
  text: 'search.about',
  begin: 'search.about_begin',
  light,
  dark,
} satisfies About
