import { t } from '../../i18n'

const UNITS = ['files.bytes', 'files.kb', 'files.mb', 'files.gb']
const STEP = 1_024

/** "1.4 MB" */
export function sizeOf(bytes: number): string {
  const unit = Math.min(UNITS.length - 1, bytes > 0 ? Math.floor(Math.log(bytes) / Math.log(STEP)) : 0)
  const count = bytes / STEP ** unit
  return t(UNITS[unit]!, { count: count < 10 && unit > 0 ? Math.round(count * 10) / 10 : Math.round(count) })
}
