import { describe, expect, it } from 'vitest'

import { referenceRidProblem } from './reference-rid.ts'
import { asRid } from './rid.ts'

describe('RIDs that the reference cannot live with', () => {
  it.each([
    `orn:notes.note:${'x'.repeat(173)}`,
    `orn:notes.note:${'鍵'.repeat(58)}`,
    'https://x.org?',
    'https://x.org#',
    'https:///x',
    'https:foo:bar',
    'http:// x.org/\n',
    'https://x．org／y',
    'https://[x]/',
    'orn:github.issue:o/r:007',
    'orn:github.pr:o/r:x',
    'orn:github.commit:o:sha',
    'orn:github.repo:o/',
    'orn:slack.message:a/b',
    'orn:slack.channel:a/b/c',
    'orn:discord.message:a',
    'orn:google_drive.export:a',
    'orn:hackmd.note:/x',
    'orn:vector:nothing',
    'orn:normalized.text:orn:vector:https://x.org?',
  ])('%s', (text) => {
    expect(referenceRidProblem(asRid(text))).toMatch(/^the RID is (longer than 187 bytes|not what the grammar of )/)
  })

  it.each([
    `orn:notes.note:${'x'.repeat(172)}`,
    'https://x.org',
    'https://u@x.org:80/a/../b?c=?#d#e',
    'https://[::1]:80/',
    'https:foo',
    'orn:github.issue:o/r:7',
    'orn:github.commit:o/r/s:sha:1',
    'orn:slack.message:a/b/c',
    'orn:hackmd.note:a/',
    'orn:vector:orn:vector:https://x.org/',
    'urn:github.issue:anything',
    'x:https://x.org?',
  ])('but with %s', (text) => {
    expect(referenceRidProblem(asRid(text))).toBeUndefined()
  })
})
