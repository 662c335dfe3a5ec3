import type { About } from '../registry'
import dark from './picture-dark.webp'
import light from './picture-light.webp'

export default {
  title: 'chess.about_title',
  text: 'chess.about',
  begin: 'chess.about_begin',
  light,
  dark,
} satisfies About
