// What the Node programs share: running jobs, telling how they went, and bitmaps as plain Sets.

const assert = require('node:assert/strict')

/** The server to work with, from the command line: HOST PORT. */
function address() {
  const [host, port] = process.argv.slice(2)
  if (!port) {
    console.error(`usage: node ${process.argv[1]} HOST PORT`)
    process.exit(2)
  }
  return { host, port: Number(port) }
}

/** Runs [name, function] one after the other; prints `ok NAME` or `not ok NAME: WHY`; returns how many failed. */
async function runJobs(jobs) {
  let failed = 0
  for (const [name, job] of jobs) {
    const began = performance.now()
    try {
      await job()
      console.log(`ok ${name} (${((performance.now() - began) / 1000).toFixed(2)} s)`)
    } catch (error) {
      failed += 1
      console.log(`not ok ${name}: ${error.message}`)
      console.log(error.stack)
    }
  }
  return failed
}

/** The positions of the ones in the bytes of a bitmap. */
function members(bytes) {
  const found = new Set()
  for (let at = 0; bytes !== null && at < bytes.length; at += 1) {
    for (let bit = 0; bytes[at] !== 0 && bit < 8; bit += 1) {
      if (bytes[at] & (0x80 >> bit)) found.add(8 * at + bit)
    }
  }
  return found
}

/** A source of numbers in [0, 1) that gives the same ones for the same seed (mulberry32). */
function source(seed) {
  let state = seed
  return () => {
    state = (state + 0x6d2b79f5) | 0
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state)
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4294967296
  }
}

/** A Set of user numbers for each of `days` days. */
function visitors(seed, days, users, share) {
  const next = source(seed)
  return Array.from({ length: days }, () => new Set([...Array(users).keys()].filter(() => next() < share)))
}

const union = (sets) => new Set(sets.flatMap((set) => [...set]))
const intersection = ([first, ...rest]) => new Set([...first].filter((user) => rest.every((set) => set.has(user))))
const difference = (set, other) => new Set([...set].filter((user) => !other.has(user)))

/** Two Sets hold the same numbers; the message shows sizes, not a hundred thousand members. */
function sameSet(got, expected) {
  assert.equal(got.size, expected.size, 'size of the set')
  assert.ok([...expected].every((user) => got.has(user)), 'members of the set')
}

module.exports = { address, assert, difference, intersection, members, runJobs, sameSet, source, union, visitors }
