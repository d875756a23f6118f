import { readFileSync } from 'node:fs'

/** What a process has used so far: CPU time in milliseconds, to 10 ms, and memory now. Linux alone tells. */
export interface ProcessCost {
  readonly cpuMs: number
  readonly rssMiB: number
}

const TICK_MS = 10

/** proc(5): `utime` and `stime` are the 14th and 15th field of `stat`; the second may hold spaces, and ends with the last `)`. */
export function processCost(pid: number): ProcessCost | undefined {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'utf8')
    const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ')
    const status = readFileSync(`/proc/${pid}/status`, 'utf8')
    const rss = /^VmRSS:\s+(\d+) kB/m.exec(status)?.[1]
    return { cpuMs: (Number(fields[11]) + Number(fields[12])) * TICK_MS, rssMiB: Number(rss) / 1024 }
  } catch {
    return undefined
  }
}
