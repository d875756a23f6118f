import { ValidateBy } from 'class-validator'

/** What a settings class says about one of its keys, beside its validators: how a variable's text is read, and what to show a person. */
export interface SettingDescription {
  /** `text` takes a variable as it is, so that a name of digits stays a name; the others are read as JSON. */
  readonly kind: 'text' | 'number' | 'boolean' | 'object'
  readonly example: string
}

const descriptions = new WeakMap<object, Map<string, SettingDescription>>()

/** Describes a key of a settings class. A key without it is unknown. */
export function Setting(kind: SettingDescription['kind'], example: string): PropertyDecorator {
  return (prototype, key) => {
    const keys = descriptions.get(prototype) ?? new Map<string, SettingDescription>()
    descriptions.set(prototype, keys.set(String(key), { kind, example }))
  }
}

/** The keys of a settings class in the order they are declared. */
export function settingsOf(settingsClass: { readonly prototype: object }): ReadonlyMap<string, SettingDescription> {
  return descriptions.get(settingsClass.prototype) ?? new Map<string, SettingDescription>()
}

/** A validator from a predicate; `message` follows the key: "… must be a positive number". */
export function Must(message: string, predicate: (value: unknown) => boolean): PropertyDecorator {
  return ValidateBy({ name: message, validator: { validate: predicate, defaultMessage: () => `must ${message}` } })
}
