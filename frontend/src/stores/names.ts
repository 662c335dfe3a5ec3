import type { Person } from '../protocol'

/** The value with a person's present name wherever it names them as `{id, name}`; the same object where it does not. */
export function renamedIn<T>(value: T, person: Person): T {
  if (typeof value !== 'object' || value === null) return value
  if (Array.isArray(value)) {
    const parts = value.map((one: unknown) => renamedIn(one, person))
    return parts.some((one, index) => one !== value[index]) ? (parts as T) : value
  }
  const fields = Object.entries(value).map(([field, one]) => [field, renamedIn<unknown>(one, person)] as const)
  const changed = fields.filter(([field, one]) => one !== (value as Record<string, unknown>)[field])
  const { id, name } = value as Partial<Person>
  if (id === person.id && typeof name === 'string' && name !== person.name) changed.push(['name', person.name])
  return changed.length ? { ...value, ...Object.fromEntries(changed) } : value
}
