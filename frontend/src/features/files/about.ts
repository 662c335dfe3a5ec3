import type { About } from '../registry'
import dark from './picture-dark.webp'
import light from './picture-light.webp'

export default {
  title: 'files.about_title',
  text: 'files.about',
  begin: 'files.about_begin',
  light,
  dark,
} satisfies About
