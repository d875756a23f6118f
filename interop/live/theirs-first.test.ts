/** Real koi-net nodes and ours around the reference's coordinator. */
import { playAll } from './play.ts'

playAll('theirs is the first contact')
