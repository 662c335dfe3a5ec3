import type { FunctionalComponent } from 'vue'
import { t, type Key } from '../i18n'

const MARK = '\ue000'

/**
 * A sentence with elements in it: each slot stands where the word has its name. As in vue-i18n, whose component of this
 * name would bring all of that library.
 */
export const I18nT: FunctionalComponent<{ keypath: Key; values?: Record<string, string | number> }> = ({ keypath, values }, { slots }) => {
  const marked = Object.fromEntries(Object.keys(slots).map((name) => [name, MARK + name + MARK]))
  return t(keypath, { ...values, ...marked })
    .split(MARK)
    .map((part, index) => (index % 2 ? slots[part]!({}) : part))
}
I18nT.props = ['keypath', 'values']
