import { styleText } from 'node:util'

export type ColourName = 'bold' | 'dim' | 'green' | 'yellow' | 'red' | 'cyan'

export const colours = (colour: ColourName, text: string): string => styleText(colour, text, { validateStream: false })
