/** Real koi-net nodes and ours around our coordinator. */
import { playAll } from './play.ts'

playAll('ours is the first contact')
