// ioredis doing what people do with bitmaps, checked against plain Sets.
//
//   node ioredis.js HOST PORT        (the server's data is flushed)

const { Redis } = require('ioredis')
const { address, assert, difference, intersection, members, runJobs, sameSet, source, union, visitors } = require('./jobs')

const where = address()
const redis = new Redis({ ...where, maxRetriesPerRequest: 1 })

/** Replies of a pipeline or transaction, the first error thrown. */
function values(replies) {
  return replies.map(([error, value]) => {
    if (error) throw error
    return value
  })
}

async function activeUsers() {
  const days = visitors(1, 14, 5000, 0.1)
  for (const [number, day] of days.entries()) {
    const pipeline = redis.pipeline()
    for (const user of day) pipeline.setbit(`active:${number}`, user, 1)
    assert.ok(values(await pipeline.exec()).every((old) => old === 0))
  }
  for (const week of [0, 7]) {
    const keys = days.slice(week, week + 7).map((_, at) => `active:${week + at}`)
    const [, expires, count] = values(
      await redis.multi().bitop('OR', 'tmp:week', ...keys).expire('tmp:week', 30).bitcount('tmp:week').exec()
    )
    const expected = union(days.slice(week, week + 7))
    assert.deepEqual([expires, count], [1, expected.size])
    sameSet(members(await redis.getBuffer('tmp:week')), expected)
    const left = await redis.ttl('tmp:week')
    assert.ok(left > 0 && left <= 30)
  }
  await redis.bitop('AND', 'tmp:faithful', 'active:0', 'active:1', 'active:2')
  sameSet(members(await redis.getBuffer('tmp:faithful')), intersection(days.slice(0, 3)))
}

async function retention() {
  const signups = visitors(2, 6, 6000, 0.05)
  const active = visitors(3, 12, 6000, 0.25)
  const pipeline = redis.pipeline()
  signups.forEach((day, number) => day.forEach((user) => pipeline.setbit(`signup:${number}`, user, 1)))
  active.forEach((day, number) => day.forEach((user) => pipeline.setbit(`back:${number}`, user, 1)))
  await pipeline.exec()
  const expected = []
  const table = redis.multi()
  for (let cohort = 0; cohort < 6; cohort += 1) {
    for (let after = 1; after <= 6; after += 1) {
      table.bitop('AND', 'tmp', `signup:${cohort}`, `back:${cohort + after - 1}`).bitcount('tmp')
      expected.push(intersection([signups[cohort], active[cohort + after - 1]]).size)
    }
  }
  const counts = values(await table.exec()).filter((_, at) => at % 2 === 1)
  assert.deepEqual(counts, expected)
}

async function featureFlags() {
  const next = source(4)
  const share = Array.from({ length: 100_000 }, next)
  const pipeline = redis.pipeline()
  share.forEach((value, user) => pipeline.setbit('flag', user, value < 0.25 ? 1 : 0))
  assert.equal(values(await pipeline.exec()).length, 100_000)
  const enabled = new Set([...share.keys()].filter((user) => share[user] < 0.25))
  assert.equal(await redis.bitcount('flag'), enabled.size)
  sameSet(members(await redis.getBuffer('flag')), enabled)
  const inside = [...enabled].filter((user) => user >= 1234 && user <= 56_789).length
  assert.equal(await redis.bitcount('flag', 1234, 56_789, 'BIT'), inside)
  assert.equal(await redis.bitpos('flag', 1), Math.min(...enabled))
  const checks = await Promise.all([0, 17, 99_999, 100_000].map((user) => redis.getbit('flag', user)))
  assert.deepEqual(checks, [0, 17, 99_999, 100_000].map((user) => (enabled.has(user) ? 1 : 0)))
}

async function permissionsAndCounters() {
  const fields = []
  for (let user = 0; user < 100; user += 1) fields.push('SET', 'u4', `#${user}`, user % 16)
  assert.deepEqual(await redis.bitfield('roles', ...fields), Array(100).fill(0))
  assert.deepEqual(await redis.bitfield_ro('roles', 'GET', 'u4', '#15', 'GET', 'u4', '#99'), [15, 3])
  assert.deepEqual(await redis.bitfield('roles', 'OVERFLOW', 'FAIL', 'INCRBY', 'u4', '#15', 1), [null])
  assert.deepEqual(await redis.bitfield('roles', 'OVERFLOW', 'SAT', 'INCRBY', 'u4', '#15', 5, 'INCRBY', 'i5', '#30', -40), [15, -16])
}

async function intersections() {
  const [a, b, c] = visitors(5, 3, 20_000, 0.3)
  for (const [key, users] of Object.entries({ a, b, c })) {
    const bytes = Buffer.alloc(2500)
    users.forEach((user) => (bytes[user >> 3] |= 0x80 >> user % 8))
    await redis.set(key, bytes)
  }
  const expected = {
    AND: intersection([a, b, c]),
    OR: union([a, b, c]),
    DIFF: difference(a, union([b, c])),
    DIFF1: difference(union([b, c]), a),
    ANDOR: intersection([a, union([b, c])]),
    ONE: new Set([...union([a, b, c])].filter((user) => a.has(user) + b.has(user) + c.has(user) === 1)),
    XOR: new Set([...union([a, b, c])].filter((user) => (a.has(user) + b.has(user) + c.has(user)) % 2 === 1)),
  }
  for (const [operation, users] of Object.entries(expected)) {
    assert.equal(await redis.bitop(operation, 'result', 'a', 'b', 'c'), 2500)
    sameSet(members(await redis.getBuffer('result')), users)
  }
}

/** Presence over many connections that work at the same time. */
async function presence() {
  const clients = Array.from({ length: 16 }, () => new Redis({ ...where, lazyConnect: true, enableAutoPipelining: true }))
  const online = visitors(6, 16, 3000, 0.2)
  await Promise.all(clients.map((client, at) => Promise.all([...online[at]].map((user) => client.setbit('online', user, 1)))))
  sameSet(members(await redis.getBuffer('online')), union(online))
  await Promise.all(clients.map((client) => client.quit()))
}

async function watch() {
  await redis.watch('guarded')
  const other = new Redis(where)
  await other.set('guarded', 'changed')
  assert.equal(await redis.multi().set('guarded', 'mine').exec(), null)
  assert.equal(await redis.get('guarded'), 'changed')
  await redis.watch('guarded')
  assert.deepEqual(values(await redis.multi().set('guarded', 'mine').setbit('bits', 3, 1).exec()), ['OK', 0])
  await other.quit()
}

async function stringsAndKeys() {
  assert.equal(await redis.set('k', 'v', 'EX', 100, 'NX'), 'OK')
  assert.equal(await redis.set('k', 'w', 'NX'), null)
  assert.equal(await redis.set('k', 'w', 'XX', 'GET'), 'v')
  await redis.mset({ a: '1', b: '2' })
  assert.deepEqual(await redis.mget('a', 'b', 'missing'), ['1', '2', null])
  assert.equal(await redis.incrbyfloat('a', 0.5), '1.5')
  assert.equal(await redis.lcs('k', 'b', 'LEN'), 0)
  for (let number = 0; number < 300; number += 1) await redis.setbit(`scan:${number}`, number, 1)
  const seen = new Set()
  for await (const keys of redis.scanStream({ match: 'scan:*', count: 25 })) keys.forEach((key) => seen.add(key))
  assert.equal(seen.size, 300)
  await redis.pexpire('scan:1', 20)
  await new Promise((resolve) => setTimeout(resolve, 60))
  assert.equal(await redis.exists('scan:1', 'scan:2'), 1)
  assert.equal(await redis.object('ENCODING', 'scan:2'), 'raw')
  const binary = Buffer.from([0, 255, 13, 10, 36])
  await redis.set(binary, binary)
  assert.deepEqual(await redis.getBuffer(binary), binary)
}

async function messagesAndEvents() {
  const listener = redis.duplicate()
  const heard = []
  listener.on('message', (channel, message) => heard.push([channel, message]))
  listener.on('pmessage', (pattern, channel, message) => heard.push([channel, message]))
  assert.equal(await listener.subscribe('visits', 'others'), 2)
  assert.equal(await listener.psubscribe('__keyevent@0__:*'), 3)
  await redis.config('SET', 'notify-keyspace-events', 'E$g')
  assert.equal(await redis.publish('visits', 'one'), 1)
  await redis.setbit('visited', 7, 1)
  await redis.rename('visited', 'kept')
  await redis.config('SET', 'notify-keyspace-events', '')
  assert.equal(await redis.publish('visits', 'two'), 1)
  for (let tries = 0; heard.length < 5 && tries < 500; tries += 1) await new Promise((resolve) => setTimeout(resolve, 10))
  assert.deepEqual(heard, [
    ['visits', 'one'],
    ['__keyevent@0__:setbit', 'visited'],
    ['__keyevent@0__:rename_from', 'visited'],
    ['__keyevent@0__:rename_to', 'kept'],
    ['visits', 'two']
  ])
  assert.equal(await listener.unsubscribe('visits', 'others'), 1)
  assert.equal(await listener.punsubscribe('__keyevent@0__:*'), 0)
  listener.disconnect()
  assert.equal(await redis.publish('visits', 'nobody'), 0)
}

async function errorsAndServer() {
  await assert.rejects(redis.setbit('k', -1, 1), { message: 'ERR bit offset is not an integer or out of range' })
  await assert.rejects(redis.call('BITCOUNT', 'k', 1, 2, 'BYTES'), { message: 'ERR syntax error' })
  await assert.rejects(redis.call('NOSUCH', 'x'), { message: "ERR unknown command 'NOSUCH', with args beginning with: 'x' " })
  const replies = await redis.multi().set('text', 'abc').incr('text').setbit('flags', 1, 1).exec()
  assert.equal(replies[1][0].message, 'ERR value is not an integer or out of range')
  assert.deepEqual(replies[2], [null, 0])
  assert.match(await redis.info('server'), /redis_version:8\.2\.3\r\n/)
  await redis.client('SETNAME', 'dashboard')
  assert.match(await redis.client('LIST'), / name=dashboard /)
  await redis.select(3)
  await redis.set('third', 1)
  assert.equal(await redis.dbsize(), 1)
  await redis.flushdb()
  await redis.select(0)
  assert.deepEqual(await redis.config('GET', 'databases'), ['databases', '16'])
}

async function main() {
  const jobs = { activeUsers, retention, featureFlags, permissionsAndCounters, intersections, presence, watch, stringsAndKeys, messagesAndEvents, errorsAndServer }
  const fresh = (job) => async () => {
    await redis.flushall()
    await job()
  }
  const failed = await runJobs(Object.entries(jobs).map(([name, job]) => [name, fresh(job)]))
  await redis.flushall()
  await redis.quit()
  process.exit(failed ? 1 : 0)
}

main()
